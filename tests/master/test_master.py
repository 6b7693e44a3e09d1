"""What MBusMaster tells its caller, and what it sends for it, on a scripted bus in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import (
    MBusApplicationError,
    MBusCollisionError,
    MBusConnectionError,
    MBusDecodeError,
    MBusEncryptedError,
    MBusError,
    MBusGarbledError,
    MBusNoDataError,
    MBusTimeoutError,
    MBusTooManyTelegramsError,
    MBusUsageError,
    MBusWrongAddressError,
)
from mbusbench.master import MBusMaster
from mbusbench.master.results import MBusSlaveInfo
from tests.master.scripted_bus import (
    E5,
    Answers,
    Meter,
    ScriptedBus,
    ScriptedStream,
    bus_of,
    litres,
    long,
    short,
    telegram,
)

pytestmark = pytest.mark.virtual_time

NKE_5 = "10 40 05 45 16"
FIRST_5 = "10 7B 05 80 16"
SECOND_5 = "10 5B 05 60 16"


def counted(meter: Meter, change: Callable[[int, bytes], Answers]) -> Callable[[bytes], Answers]:
    """A bus with one meter; `change(n, answer)` is sent in place of the answer to the nth REQ_UD2 (from 1)."""
    count = 0

    def handle(request: bytes) -> Answers:
        nonlocal count
        answer = meter.answer(request)
        if answer is None or request[1] == 0x40:
            return answer
        count += 1
        return change(count, answer)

    return handle


async def test_readout_resets_the_slave_itself_and_starts_with_fcb_1() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
    assert bus.stream.requests == [NKE_5, FIRST_5]
    assert litres(data) == [5002]
    assert data.address == 5
    assert data.serial_number == "12345678"


async def test_address_0_is_a_slave_like_any_other() -> None:
    bus = ScriptedBus(bus_of(Meter(0)))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(0)) == [2]
    assert bus.stream.requests == ["10 40 00 40 16", "10 7B 00 7B 16"]


async def test_readouts_in_a_row_bring_new_telegrams_each() -> None:
    async with MBusMaster(ScriptedBus(bus_of(Meter(5)))) as master:
        assert [litres(await master.query(5)) for _ in range(3)] == [[5002], [5003], [5004]]


async def test_readout_of_three_telegrams_toggles_to_the_last() -> None:
    bus = ScriptedBus(bus_of(Meter(5, telegrams=3)))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
    assert bus.stream.requests == [NKE_5, FIRST_5, SECOND_5, FIRST_5]
    assert [(record.storage_number, record.telegram) for record in data.records] == [(0, 0), (1, 1), (2, 2)]
    assert litres(data) == [5002, 5003, 5004]
    assert not data.more_records_follow


@pytest.mark.parametrize("lost", [1, 2])
async def test_lost_answer_is_asked_for_again_with_the_same_frame(lost: int) -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: None if n <= lost else answer))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5002]
    assert bus.stream.requests == [NKE_5] + [FIRST_5] * (lost + 1)


async def test_three_lost_answers_end_in_a_link_reset_and_a_restart() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: None if n <= 3 else answer))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5003]
    assert bus.stream.requests == [NKE_5, FIRST_5, FIRST_5, FIRST_5, NKE_5, FIRST_5]


async def test_slave_that_acknowledges_but_never_answers_costs_six_requests() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: None))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError, match=r"slave 5 did not answer \(3 attempts at 2400 baud, 192 ms each\)"):
            await master.query(5)
    assert bus.stream.requests == [NKE_5, FIRST_5, FIRST_5, FIRST_5] * 2


async def test_silent_address_costs_three_requests() -> None:
    bus = ScriptedBus(lambda request: None)
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError) as caught:
            await master.query(7)
    assert bus.stream.requests == ["10 40 07 47 16"] * 3
    assert caught.value.address == "7"
    assert caught.value.kind == "no-answer"


async def test_retries_0_sends_each_request_once() -> None:
    bus = ScriptedBus(lambda request: None)
    async with MBusMaster(bus, retries=0) as master:
        assert await master.ping_addresses([7]) == {7: False}
    assert len(bus.stream.sent) == 1


async def test_slave_mute_for_two_frames_is_read() -> None:
    meter = Meter(5)
    heard = 0

    def handle(request: bytes) -> Answers:
        nonlocal heard
        heard += 1
        return None if heard <= 2 else meter.answer(request)

    async with MBusMaster(ScriptedBus(handle)) as master:
        assert litres(await master.query(5)) == [5002]


def wrong_checksum(answer: bytes) -> bytes:
    return answer[:-2] + bytes((answer[-2] ^ 1, 0x16))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(wrong_checksum, id="checksum"),
        pytest.param(lambda answer: answer[:2] + bytes((answer[2] ^ 1,)) + answer[3:], id="second L"),
        pytest.param(lambda answer: answer[:-1] + b"\x17", id="stop"),
        pytest.param(lambda answer: answer[:3] + b"\x60" + answer[4:], id="second start"),
        pytest.param(lambda answer: answer[:12], id="truncated"),
        pytest.param(lambda answer: telegram(5, 99999999, control=0x48), id="direction"),
        pytest.param(lambda answer: telegram(5, 99999999, control=0x0B), id="unknown C"),
        pytest.param(lambda answer: telegram(99, 99999999), id="other slave"),
        pytest.param(lambda answer: b"\xaa", id="noise"),
        pytest.param(lambda answer: wrong_checksum(telegram(5, 99999999, access=0xE5)), id="checksum, E5 in the data"),
        pytest.param(lambda answer: E5 + telegram(5, 99999999)[:20], id="E5 before a truncated answer"),
    ],
)
async def test_bad_answer_is_asked_for_again(spoil: Callable[[bytes], bytes]) -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: spoil(answer) if n == 1 else answer))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5002]
    assert bus.stream.requests == [NKE_5, FIRST_5, FIRST_5]


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (wrong_checksum, MBusGarbledError, r"slave 5 gave no valid answer to request for data .* \(3 attempts\)"),
        (lambda answer: telegram(99, 99999999), MBusWrongAddressError, "slave 99 answered instead"),
        (lambda answer: E5, MBusNoDataError, "slave 5 has no data"),
        (lambda answer: long(8, 5, 0x70, b"\x08"), MBusApplicationError, "slave 5 reports application error 8: .*busy"),
        (lambda answer: long(8, 5, 0x70), MBusApplicationError, "application error 0"),
        (lambda answer: long(8, 5, 0xB7, b"\x01\x02"), MBusDecodeError, "CI B7"),
        (lambda answer: long(8, 5, 0x72, b"\x01\x02"), MBusDecodeError, "slave 5 .* cannot be decoded"),
        (
            lambda answer: long(8, 5, 0x72, bytes.fromhex("7856341224232807AC002005") + bytes(32)),
            MBusEncryptedError,
            "slave 5 sends encrypted telegrams",
        ),
    ],
)
async def test_what_never_gets_right_is_a_named_error(
    spoil: Callable[[bytes], bytes], error: type[MBusError], message: str
) -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: spoil(answer)))
    async with MBusMaster(bus) as master:
        with pytest.raises(error, match=message) as caught:
            await master.query(5)
        assert caught.value.address == "5"
        assert await master.query_addresses([5]) == {5: None}


async def test_application_error_carries_its_code() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: long(8, 5, 0x70, b"\x09")))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusApplicationError) as caught:
            await master.query(5)
    assert caught.value.code == 9
    assert bus.stream.requests == [NKE_5, FIRST_5]


@pytest.mark.parametrize("control", [0x08, 0x18, 0x28, 0x38])
async def test_every_c_field_of_an_answer_is_accepted(control: int) -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, 77, control=control)))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [77]
    assert len(bus.stream.sent) == 2


@pytest.mark.parametrize("junk", ["00 FF", "68 FF FF 68", "10", "AA 68 68"])
async def test_answer_is_found_behind_junk(junk: str) -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: bytes.fromhex(junk) + answer))
    async with MBusMaster(bus) as master:
        assert [litres(await master.query(5)) for _ in range(2)] == [[5002], [5003]]
    assert bus.stream.requests == [NKE_5, FIRST_5] * 2


async def test_junk_behind_each_answer_is_dropped() -> None:
    bus = ScriptedBus(counted(Meter(5, telegrams=3), lambda n, answer: [answer, (0.0246, b"\x00")]))
    async with MBusMaster(bus) as master:
        assert [litres(await master.query(5)) for _ in range(2)] == [[5002, 5003, 5004], [5005, 5006, 5007]]


async def test_first_answer_twice_in_one_go_is_one_telegram() -> None:
    bus = ScriptedBus(counted(Meter(5, telegrams=3), lambda n, answer: answer * 2 if n == 1 else answer))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5002, 5003, 5004]


async def test_answer_in_pieces_is_one_answer() -> None:
    bus = ScriptedBus(
        counted(Meter(5), lambda n, answer: [(0.02, answer[:9]), (0.17, answer[9:20]), (0.32, answer[20:])]),
        latency=500_000_000,
    )
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5002]
    assert bus.stream.requests == [NKE_5, FIRST_5]


async def test_echo_is_no_answer() -> None:
    meter = Meter(5)

    def handle(request: bytes) -> Answers:
        answer = meter.answer(request)
        echo = (-0.001, request)
        return [echo] if answer is None else [echo, answer]

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        assert await master.ping_addresses([5, 6]) == {5: True, 6: False}
        assert litres(await master.query(5)) == [5002]
        with pytest.raises(MBusTimeoutError):
            await master.query(6)


async def test_late_answer_of_another_slave_is_not_taken() -> None:
    meters = bus_of(Meter(6))

    def handle(request: bytes) -> Answers:
        answer = meters(request)
        if request == short(0x7B, 6):
            return [(0.005, telegram(5, 99999999)), (0.2, bytes(answer))]  # type: ignore[arg-type]
        return answer

    async with MBusMaster(ScriptedBus(handle)) as master:
        assert litres(await master.query(6)) == [6002]


async def test_answer_that_comes_after_the_repeat_counts_once() -> None:
    """The first answer is so late that the request was repeated; the repeat is answered too."""
    bus = ScriptedBus(
        counted(Meter(5, telegrams=3), lambda n, answer: (0.25, answer) if n == 1 else (0.06, answer)),
    )
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [5002, 5003, 5004]


async def test_late_answer_with_the_acknowledge_behind_it_waits_for_the_acknowledge() -> None:
    meter = Meter(5)
    old = meter.sent
    times: list[float] = []

    def handle(request: bytes) -> Answers:
        times.append(asyncio.get_running_loop().time())
        answer = meter.answer(request)
        return [(0.005, old), (0.15, E5)] if request[1] == 0x40 else answer

    async with MBusMaster(ScriptedBus(handle)) as master:
        assert litres(await master.query(5)) == [5002]
    assert times[1] - times[0] > 0.15


async def test_slave_that_begins_again_in_mid_readout_is_read_from_the_start() -> None:
    meter = Meter(5, telegrams=3)

    def change(n: int, answer: bytes) -> Answers:
        if n == 2:  # power blinks: place and memory are gone
            meter.place, meter.last_fcb = 0, -1
            return None
        return answer

    bus = ScriptedBus(counted(meter, change))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
    assert [record.storage_number for record in data.records] == [0, 1, 2]
    assert litres(data) == [5005, 5006, 5007]


async def test_slave_that_dies_in_mid_readout_is_read_from_the_start() -> None:
    meter = Meter(5, telegrams=3)
    dead = False

    def handle(request: bytes) -> Answers:
        nonlocal dead
        if request[1] == 0x40:
            dead = False
        if dead:
            return None
        answer = meter.answer(request)
        dead = meter.litres == 5002 and request[1] == 0x7B
        return answer

    async with MBusMaster(ScriptedBus(handle)) as master:
        assert litres(await master.query(5)) == [5003, 5004, 5005]


async def test_readout_whose_last_telegram_never_comes_is_an_error() -> None:
    meter = Meter(5, telegrams=3)
    bus = ScriptedBus(counted(meter, lambda n, answer: None if answer[19] == 0x8C else answer))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError):
            await master.query(5)


async def test_readout_without_end_is_bounded() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, n, storage=n, more=True)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTooManyTelegramsError, match="more than 16 telegrams"):
            await master.query(5)
    assert len(bus.stream.sent) == 17


async def test_max_telegrams_bounds_a_readout() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, n, storage=n, more=True)))
    async with MBusMaster(bus, max_telegrams=3) as master:
        with pytest.raises(MBusTooManyTelegramsError, match="more than 3 telegrams"):
            await master.query(5)
    assert len(bus.stream.sent) == 4


async def test_meter_that_announces_more_and_sends_the_same_again_is_read_once_more_to_be_sure() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, 7, access=n, more=True)))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
        assert (litres(data), data.telegrams, data.more_records_follow) == ([7], 1, True)
        assert len(bus.stream.sent) == 2 * 3
        assert litres(await master.query(5)) == [7]
        assert len(bus.stream.sent) == 2 * 3 + 3


async def test_meter_in_circles_whose_values_move_is_known_by_its_records() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, n, storage=n % 2, access=n, more=True)))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
        assert (litres(data), data.telegrams, data.more_records_follow) == ([1, 2], 2, True)
        assert len(bus.stream.sent) == 1 + 16
        assert litres(await master.query(5)) == [17, 18]
        assert len(bus.stream.sent) == 17 + 4


async def test_telegrams_of_equal_records_are_no_circle_as_long_as_they_end() -> None:
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, n, access=n, more=n < 3)))
    async with MBusMaster(bus) as master:
        assert litres(await master.query(5)) == [1, 2, 3]


async def test_circle_that_is_another_one_each_time_is_an_error() -> None:
    values = iter([1, 2, 1, 3, 3])
    bus = ScriptedBus(counted(Meter(5), lambda n, answer: telegram(5, next(values), access=n, more=True)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTooManyTelegramsError, match="telegram 2 is an earlier one again"):
            await master.query(5)
    assert len(bus.stream.sent) == 4 + 3


async def test_e5_in_mid_readout_ends_it() -> None:
    bus = ScriptedBus(counted(Meter(5, telegrams=3), lambda n, answer: answer if n < 3 else E5))
    async with MBusMaster(bus) as master:
        data = await master.query(5)
    assert litres(data) == [5002, 5003]
    assert not data.more_records_follow


async def test_babble_is_not_sent_into_and_ends() -> None:
    started = asyncio.get_running_loop().time()
    bus = ScriptedBus(
        counted(
            Meter(5), lambda n, answer: [(0.02 + k * 11 / 2400, b"\xaa") for k in range(10_000)] if n == 1 else None
        )
    )
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusGarbledError):
            await master.query(5)
    assert asyncio.get_running_loop().time() - started < 20
    assert bus.stream.requests == [NKE_5, FIRST_5]


async def test_ping_tells_which_addresses_answer() -> None:
    async with MBusMaster(ScriptedBus(bus_of(Meter(1), Meter(5)))) as master:
        assert await master.ping_addresses([1, 2, 5]) == {1: True, 2: False, 5: True}


@pytest.mark.parametrize(
    "heard",
    ["C0", "85", "21", "45", "A5", "A5 FE", "65 FE", "E5 F9", "E5 E5"],
)
async def test_two_acknowledges_are_no_slave(heard: str) -> None:
    """What two E5 make on the line, the second 1 to 12 bit times after the first."""
    characters = bytes.fromhex(heard)
    bus = ScriptedBus(lambda request: [(0.02 + n * 11 / 2400, bytes((c,))) for n, c in enumerate(characters)])
    async with MBusMaster(bus) as master:
        assert await master.ping_addresses([5]) == {5: False}
    assert bus.stream.requests == [NKE_5] * 3


async def test_noise_after_a_ping_is_asked_again() -> None:
    asked = 0

    def handle(request: bytes) -> Answers:
        nonlocal asked
        asked += 1
        return b"\xa5" if asked == 1 else E5

    async with MBusMaster(ScriptedBus(handle)) as master:
        assert await master.ping_addresses([5]) == {5: True}
    assert asked == 2


async def test_scan_finds_the_slaves_and_says_who_they_are() -> None:
    bus = ScriptedBus(bus_of(Meter(0), Meter(7, identification="11111111"), Meter(20)))
    async with MBusMaster(bus) as master:
        found = await master.scan_addresses(range(21))
    assert [address for address, info in found.items() if info] == [0, 7, 20]
    assert list(found) == list(range(21))
    info = found[7]
    assert info is not None
    assert (info.serial_number, info.manufacturer, info.version, info.medium) == ("11111111", "HYD", 0x28, "water")
    asked = [request[2] for _, request in bus.stream.sent]
    assert asked == sorted(asked)
    assert asked.count(3) == 2


async def test_scan_reports_progress_and_tells_a_collision_from_nobody() -> None:
    good = bus_of(Meter(7), Meter(8))

    def handle(request: bytes) -> Answers:
        answer = good(request)
        if request[1:3] == b"\x7b\x07":
            return wrong_checksum(bytes(answer))  # type: ignore[arg-type]
        return answer

    seen: dict[int, object] = {}
    async with MBusMaster(ScriptedBus(handle)) as master:
        found = await master.scan_addresses(range(6, 9), progress=seen.__setitem__)
    assert {address: type(what) for address, what in seen.items()} == {
        6: type(None),
        7: MBusCollisionError,
        8: MBusSlaveInfo,
    }
    assert [address for address, info in found.items() if info] == [8]


async def test_scan_reports_a_slave_that_has_no_data() -> None:
    async with MBusMaster(ScriptedBus(lambda request: E5)) as master:
        found = await master.scan_addresses([5])
    assert found == {5: MBusSlaveInfo(address=5)}


def selectable(meter: Meter, controls: tuple[int, ...] = (0x53, 0x73), answers_as: int | None = None) -> ScriptedBus:
    """A bus with one meter that can be selected by its identification number, HYD, version 28, type 07."""
    selected = False
    wire_address = bytes.fromhex(meter.identification)[::-1] + bytes.fromhex("24232807")

    def handle(request: bytes) -> Answers:
        nonlocal selected
        if request[0] == 0x68 and request[5:7] == b"\xfd\x52":
            mask = request[7:15]
            fits = mask[:4] == wire_address[:4] and all(
                m in (0xFF, w) for m, w in zip(mask[4:], wire_address[4:], strict=True)
            )
            selected = fits and request[4] in controls
            meter.last_fcb, meter.place = 0, 0
            return E5 if selected else None
        if request[0] == 0x10 and request[2] == 0xFD and selected:
            selected = request[1] != 0x40
            answer = meter.answer(short(request[1], meter.address))
            if answers_as is not None and answer is not None and answer != E5:
                return long(8, answers_as, 0x72, answer[7:-2])
            return answer
        return None

    return ScriptedBus(handle)


SELECT = "68 0B 0B 68 73 FD 52 78 56 34 12 24 23 28 07 4C 16"
SELECT_53 = "68 0B 0B 68 53 FD 52 78 56 34 12 24 23 28 07 2C 16"


@pytest.mark.parametrize("answers_as", [5, 0xFD, 0])
async def test_secondary_address_is_selected_and_read_at_253(answers_as: int) -> None:
    bus = selectable(Meter(5), answers_as=answers_as)
    async with MBusMaster(bus) as master:
        found = await master.query_addresses(["1234567824232807"])
    data = found["1234567824232807"]
    assert data is not None
    assert litres(data) == [5002]
    assert data.secondary_address == "1234567824232807"
    assert bus.stream.requests == ["10 40 FD 3D 16", SELECT, "10 7B FD 78 16"]


async def test_each_readout_by_secondary_address_is_new() -> None:
    async with MBusMaster(selectable(Meter(5))) as master:
        address = SecondaryAddress.parse("1234567824232807")
        assert [litres(await master.query(address)) for _ in range(3)] == [[5002], [5003], [5004]]


async def test_slave_that_knows_only_c_53_is_selected() -> None:
    bus = selectable(Meter(5), controls=(0x53,))
    async with MBusMaster(bus) as master:
        assert litres(await master.query("1234567824232807")) == [5002]
    assert bus.stream.requests[1:] == [SELECT, SELECT, SELECT_53, "10 7B FD 78 16"]


async def test_nothing_is_read_where_nobody_was_selected() -> None:
    bus = selectable(Meter(5))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError, match="slave 9234567824232807 did not answer"):
            await master.query("9234567824232807")
        assert await master.ping_addresses(["9234567824232807", "12345678FFFFFFFF"]) == {
            "9234567824232807": False,
            "12345678FFFFFFFF": True,
        }
    assert not any(request[0] == 0x10 and request[1] != 0x40 for _, request in bus.stream.sent)


async def test_selected_slave_with_another_header_is_a_wrong_address() -> None:
    def handle(request: bytes) -> Answers:
        return telegram(5, 99999999, identification="99999999") if request[1] in (0x5B, 0x7B) else E5

    async with MBusMaster(ScriptedBus(handle)) as master:
        with pytest.raises(MBusWrongAddressError):
            await master.query("1234567824232807")


async def test_two_selected_slaves_are_a_collision() -> None:
    def handle(request: bytes) -> Answers:
        return [E5, (0.02 + 11 / 2400, E5)] if request[0] == 0x68 else None

    async with MBusMaster(ScriptedBus(handle)) as master:
        with pytest.raises(MBusCollisionError, match="more than one slave"):
            await master.query("12345678FFFFFFFF")


async def test_selection_lost_in_mid_readout_is_made_again() -> None:
    bus = selectable(Meter(5, telegrams=3))
    handle = bus.handler
    reads = 0

    def forgetful(request: bytes) -> Answers:
        nonlocal reads
        reads += request[1] in (0x5B, 0x7B)
        if reads == 2:
            handle(bytes.fromhex("68 0B 0B 68 73 FD 52 00 00 00 00 24 23 28 07 00 16"))
        return handle(request)

    bus.handler = forgetful
    async with MBusMaster(bus) as master:
        assert litres(await master.query("1234567824232807")) == [5003, 5004, 5005]


async def test_address_254_takes_the_answer_of_whoever_is_there() -> None:
    def handle(request: bytes) -> Answers:
        return E5 if request == short(0x40, 254) else telegram(5, 1)

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        data = await master.query(254)
    assert data.address == 5
    assert bus.stream.requests == ["10 40 FE 3E 16", "10 7B FE 79 16"]


@pytest.mark.parametrize("address", [-1, 251, 252, 253, 255, 256, 300, True, 5.0, None, "", "12345", "300", "x"])
async def test_impossible_address_is_refused_before_anything_is_sent(address: object) -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        for call in (master.query, lambda a: master.query_addresses([5, a]), lambda a: master.ping_addresses([5, a])):
            with pytest.raises(MBusUsageError):
                await call(address)  # type: ignore[arg-type]
    assert not bus.stream.sent


@pytest.mark.parametrize("address", [251, 254, 255, "5", True])
async def test_impossible_address_is_not_scanned(address: object) -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError):
            await master.scan_addresses([5, address])  # type: ignore[list-item]
    assert not bus.stream.sent


async def test_address_may_be_decimal_text() -> None:
    async with MBusMaster(ScriptedBus(bus_of(Meter(5)))) as master:
        assert (await master.query("5")).address == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"baudrate": 0},
        {"baudrate": "2400"},
        {"parity": "mark"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"retries": -1},
        {"reconnect": -1},
        {"latency": -1},
        {"max_telegrams": 0},
        {"keys": b"short"},
        {"keys": "zz" * 16},
        {"connect_timeout": 0},
    ],
)
async def test_impossible_setting_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(MBusUsageError):
        MBusMaster("socket://127.0.0.1:1", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["", "foo://a:1", "socket://a", 5, None])
async def test_source_that_names_no_bus_is_refused(source: object) -> None:
    with pytest.raises(MBusUsageError):
        MBusMaster(source)  # type: ignore[arg-type]


async def test_fifty_concurrent_callers_get_their_own_answers() -> None:
    meters = [Meter(address) for address in range(1, 11)]
    bus = ScriptedBus(bus_of(*meters))
    async with MBusMaster(bus) as master, asyncio.TaskGroup() as group:
        tasks = [group.create_task(master.query(1 + n % 10)) for n in range(50)]
    for n, task in enumerate(tasks):
        address = 1 + n % 10
        assert task.result().address == address
        assert litres(task.result()) == [address * 1000 + 2 + n // 10]


async def test_callers_take_turns_in_the_order_they_came() -> None:
    bus = ScriptedBus(bus_of(*map(Meter, range(1, 6))))
    async with MBusMaster(bus) as master, asyncio.TaskGroup() as group:
        for address in (3, 1, 2, 5, 4):
            group.create_task(master.query(address))
    assert [request[2] for _, request in bus.stream.sent][::2] == [3, 1, 2, 5, 4]


async def read_for_ever(master: MBusMaster, address: int) -> None:
    while True:
        await master.query(address)


async def test_cancelled_read_leaves_the_master_usable() -> None:
    bus = ScriptedBus(bus_of(Meter(5), Meter(6)))
    async with MBusMaster(bus) as master:
        for moment in range(1, 120):
            call = asyncio.create_task(read_for_ever(master, 6))
            await asyncio.sleep(moment / 1000)
            call.cancel()
            before = asyncio.get_running_loop().time()
            assert litres(await master.query(5)) == [5001 + moment]
            assert asyncio.get_running_loop().time() - before < 0.6


async def test_next_request_waits_until_a_cancelled_one_can_no_longer_be_answered() -> None:
    bus = ScriptedBus(lambda request: (0.18, telegram(6, 99999999)) if request[2] == 6 else Meter(5).answer(request))
    async with MBusMaster(bus) as master:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(master.query(6), 0.03)
        assert litres(await master.query(5)) == [5002]
    (cancelled, _), (following, _) = bus.stream.sent[:2]
    assert following - cancelled >= 5 * 11 / 2400 + 341 / 2400 + 0.05


async def test_lost_connection_is_an_error_and_is_made_again_at_next_use() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus, reconnect=0) as master:
        await master.query(5)
        asyncio.get_running_loop().call_later(0.06, bus.lose)
        asyncio.get_running_loop().call_later(0.33, bus.lose)
        with pytest.raises(MBusConnectionError, match="unplugged"):
            await master.query(5)
        assert not master.is_open
        assert litres(await master.query(5)) == [5005]
    assert len(bus.streams) == 3


async def test_connection_lost_while_idle_is_made_again_unnoticed() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        await master.query(5)
        bus.stream.lose()
        assert litres(await master.query(5)) == [5003]
        asyncio.get_running_loop().call_later(0.005, bus.stream.lose)  # before anything was heard
        assert litres(await master.query(5)) == [5004]


async def test_closing_ends_calls_under_way_and_waiting() -> None:
    bus = ScriptedBus(lambda request: None)
    master = MBusMaster(bus)
    calls = [asyncio.create_task(master.query(address)) for address in (5, 6)]
    await asyncio.sleep(0.1)
    await master.close()
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, MBusConnectionError)
    with pytest.raises(MBusConnectionError, match="closed"):
        await master.query(5)
    assert not bus.stream.is_open


async def test_closed_master_can_be_opened_again() -> None:
    master = MBusMaster(ScriptedBus(bus_of(Meter(5))))
    await master.open()
    await master.close()
    await master.close()
    async with master:
        assert litres(await master.query(5)) == [5002]


async def test_master_opens_at_first_use() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    master = MBusMaster(bus)
    assert not bus.streams
    await master.query(5)
    assert master.is_open
    await master.close()


async def test_open_stream_is_a_source() -> None:
    stream = ScriptedStream(bus_of(Meter(5)))
    async with MBusMaster(stream) as master:
        assert litres(await master.query(5)) == [5002]
    with pytest.raises(MBusConnectionError, match="closed"):
        await MBusMaster(stream).query(5)


async def test_timeout_overrides_how_long_an_answer_is_waited_for() -> None:
    bus = ScriptedBus(lambda request: None, latency=500_000_000)
    async with MBusMaster(bus, timeout=1.5, retries=1) as master:
        with pytest.raises(MBusTimeoutError, match="1500 ms each"):
            await master.query(5)
    (first, _), (second, _) = bus.stream.sent
    assert second - first == pytest.approx(5 * 11 / 2400 + 1.5, abs=1e-6)


async def test_result_has_the_loops_time_of_day() -> None:
    async with MBusMaster(ScriptedBus(bus_of(Meter(5)))) as master:
        data = await master.query(5)
    assert data.timestamp is not None
    assert data.timestamp.isoformat().startswith("2024-01-01T00:00:00.0")
    assert data.timestamp.utcoffset() is not None


async def test_read_after_a_good_answer_waits_for_nothing() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        await master.query(5)
        await master.query(5)
    times = [time for time, _ in bus.stream.sent]
    step = 5 * 11 / 2400 + 0.02
    assert times == pytest.approx([0, step, 2 * step, 3 * step], abs=1e-6)


async def test_frames_are_logged_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "mbusbench.master"):
        async with MBusMaster(ScriptedBus(bus_of(Meter(5))), retries=0) as master:
            await master.ping_addresses([5, 6])
    assert [record.message for record in caplog.records] == [
        "> 10 40 05 45 16",
        "< e5",
        "> 10 40 06 46 16",
        "Silence(attempts=1)",
        "slave 6 did not answer (1 attempt at 2400 baud, 192 ms each)",
    ]


async def test_connection_that_fails_at_a_repeat_is_an_error() -> None:
    bus = ScriptedBus(lambda request: None)
    master = MBusMaster(bus, reconnect=0)
    call = asyncio.create_task(master.query(5))
    for _ in range(2):
        await asyncio.sleep(0.15)
        bus.stream.open = False  # nobody said so
    with pytest.raises(MBusConnectionError):
        await call
    await master.close()


async def test_mistake_in_a_decoder_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MBusMaster(ScriptedBus(bus_of(Meter(5)))) as master:
        monkeypatch.setattr(master, "_decode", lambda frame: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await master.query(5)
        monkeypatch.undo()
        assert litres(await master.query(5)) == [5003]
