"""What MBusMaster writes: exact frames, what counts as done, and what is never sent. Scripted bus, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import pytest

from mbusbench.errors import (
    MBusApplicationError,
    MBusCollisionError,
    MBusConnectionError,
    MBusDecodeError,
    MBusError,
    MBusGarbledError,
    MBusRefusedError,
    MBusTimeoutError,
    MBusUsageError,
)
from mbusbench.master import MBusMaster
from tests.master.scripted_bus import E5, Answers, Handler, Meter, ScriptedBus, bus_of, litres, long, short, telegram

pytestmark = pytest.mark.virtual_time

SECONDARY = "1234567824232807"
NKE_5, NKE_9, NKE_FD = "10 40 05 45 16", "10 40 09 49 16", "10 40 FD 3D 16"
REQ_5, REQ_9, REQ_FD = "10 7B 05 80 16", "10 7B 09 84 16", "10 7B FD 78 16"
SELECT = "68 0B 0B 68 73 FD 52 78 56 34 12 24 23 28 07 4C 16"
SET_9 = "68 06 06 68 73 05 51 01 7A 09 4D 16"


class WritableMeter(Meter):
    """A meter that also takes commands, with a strict FCB memory for them, and answers on 253 while selected.

    `executed` has the CI and data of each command. `deaf` executes nothing; `lost` acknowledges do not arrive.
    """

    def __init__(self, address: int, *, identification: str = "12345678", deaf: bool = False, lost: int = 0) -> None:
        super().__init__(address, identification=identification)
        self.deaf = deaf
        self.lost = lost
        self.executed: list[str] = []
        self.selected = False
        self.send_fcb = 0
        self.wire = bytes.fromhex(identification)[::-1] + bytes.fromhex("24232807")

    def answer(self, request: bytes) -> bytes | None:
        if request[0] == 0x68 and request[5:7] == b"\xfd\x52":
            self.selected = all(mask in (own, 0xFF) for mask, own in zip(request[7:15], self.wire, strict=True))
            self.send_fcb = self.last_fcb = 0
            return E5 if self.selected else None
        if request == short(0x40, 0xFD):
            answers, self.selected = self.selected, False
            return E5 if answers else None
        if self.selected and request[0] == 0x10 and request[2] == 0xFD:
            request = short(request[1], self.address)
        if request == short(0x40, self.address):
            self.send_fcb = 0
        addressed = request[0] == 0x68 and (request[5] == self.address or (self.selected and request[5] == 0xFD))
        if addressed and request[4] in (0x53, 0x73):
            return self.take(request)
        return super().answer(request)

    def take(self, request: bytes) -> bytes | None:
        fcb = request[4] >> 5 & 1
        if fcb != self.send_fcb:
            self.send_fcb = fcb
            if not self.deaf:
                self.execute(request[6:-2])
        if self.lost:
            self.lost -= 1
            return None
        return E5

    def execute(self, command: bytes) -> None:
        self.executed.append(command.hex(" ").upper())
        if command[:3] == b"\x51\x01\x7a":
            self.address = command[3]
            self.sent = self.new_telegram()


def spoiled(meter: Meter, change: Callable[[bytes, bytes | None], Answers]) -> Handler:
    """A bus with one meter whose answers go through `change(request, answer)`."""
    return lambda request: change(request, meter.answer(request))


async def test_address_is_set_at_a_free_one_and_verified_there() -> None:
    meter, other = WritableMeter(5), WritableMeter(6, identification="22345678")
    bus = ScriptedBus(bus_of(meter, other))
    async with MBusMaster(bus) as master:
        info = await master.set_primary_address(5, 9)
    assert bus.stream.requests == [NKE_9, NKE_9, NKE_9, NKE_5, REQ_5, NKE_5, SET_9, NKE_9, REQ_9]
    assert (meter.address, other.address) == (9, 6)
    assert (info.address, info.serial_number) == (9, "12345678")


async def test_address_that_answers_already_is_refused_and_nothing_is_written() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter, WritableMeter(9)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match=r"slave 5: setting of the primary address refused: .* 9 already"):
            await master.set_primary_address(5, 9)
    assert bus.stream.requests == [NKE_9]
    assert meter.address == 5


async def test_address_where_noise_answers_counts_as_taken() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(spoiled(meter, lambda request, answer: b"\x00\xff" if request[2] == 9 else answer))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="received: 00 FF"):
            await master.set_primary_address(5, 9)
    assert not meter.executed


@pytest.mark.parametrize("address", [251, 253, 254, 255, 256, -1])
async def test_illegal_new_address_is_a_usage_error_and_nothing_is_sent(address: int) -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError):
            await master.set_primary_address(5, address)
    assert bus.stream.requests == []


@pytest.mark.parametrize("target", [254, 255, 253, 9])
async def test_address_is_set_neither_by_broadcast_nor_to_what_it_is(target: int) -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusUsageError):
            await master.set_primary_address(target, 9)
    assert bus.stream.requests == []


@pytest.mark.parametrize("lost", [1, 3])
async def test_address_that_was_set_is_ok_although_the_acknowledge_is_lost(lost: int) -> None:
    meter = WritableMeter(5, lost=lost)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.set_primary_address(5, 9)
    assert meter.address == 9
    assert bus.stream.requests.count(SET_9) == 3  # nobody is at 5 any more to acknowledge the repeats
    assert meter.executed == ["51 01 7A 09"]


async def test_address_that_was_acknowledged_and_not_set_is_refused() -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5, deaf=True)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="acknowledged, but nobody answers at address 9"):
            await master.set_primary_address(5, 9)


async def test_write_of_an_address_that_nobody_acknowledges_is_no_answer() -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5, deaf=True, lost=99)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError):
            await master.set_primary_address(5, 9)
    assert bus.stream.requests.count(SET_9) == 3


async def test_address_is_set_by_secondary_address_in_a_frame_of_its_own() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.set_primary_address(SECONDARY, 9)
    write = "68 06 06 68 73 FD 51 01 7A 09 45 16"
    assert [r for r in bus.stream.requests if r not in (NKE_9, NKE_FD)] == [SELECT, REQ_FD, SELECT, write, REQ_9]
    assert meter.address == 9


async def test_two_meters_at_one_address_are_not_moved() -> None:
    meter = WritableMeter(5)
    mixed = bytes(a & b for a, b in zip(telegram(5, 1), telegram(5, 2, identification="33445566"), strict=True))
    bus = ScriptedBus(spoiled(meter, lambda request, answer: mixed if answer and len(answer) > 1 else answer))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusCollisionError):
            await master.set_primary_address(5, 9)
    assert not meter.executed


async def test_another_meter_at_the_new_address_is_no_success() -> None:
    meter, newcomer = WritableMeter(5, deaf=True), WritableMeter(9, identification="99999999")

    def handle(request: bytes) -> Answers:
        answer = meter.answer(request)
        written = SET_9 in bus.stream.requests
        return answer if answer is not None else newcomer.answer(request) if written else None

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="another slave answers at address 9"):
            await master.set_primary_address(5, 9)


async def test_meter_without_data_can_be_given_an_address() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(spoiled(meter, lambda request, answer: E5 if answer and len(answer) > 1 else answer))
    async with MBusMaster(bus) as master:
        assert (await master.set_primary_address(5, 9)).serial_number is None
    assert meter.address == 9


async def test_two_writes_toggle_the_fcb_and_both_are_executed() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.send(5, "50 10", bytes.fromhex("5050"))
        await master.send(5, "50 10")
    first, second = "68 04 04 68 73 05 50 10 D8 16", "68 04 04 68 53 05 50 50 F8 16"
    assert bus.stream.requests == [NKE_5, first, second, NKE_5, first]
    assert meter.executed == ["50 10", "50 50", "50 10"]


async def test_write_whose_acknowledge_is_lost_is_repeated_and_executed_once() -> None:
    meter = WritableMeter(5, lost=1)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.send(5, "51 0C 86 01 10 00 00 00")
    write = "68 0A 0A 68 73 05 51 0C 86 01 10 00 00 00 6C 16"
    assert bus.stream.requests == [NKE_5, write, write]
    assert meter.executed == ["51 0C 86 01 10 00 00 00"]


async def test_write_that_is_never_acknowledged_is_sent_three_times_and_not_begun_again() -> None:
    meter = WritableMeter(5, deaf=True, lost=99)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError):
            await master.send(5, "50")
    write = "68 03 03 68 73 05 50 C8 16"
    assert bus.stream.requests == [NKE_5, write, write, write]


async def test_write_stops_at_the_first_command_that_fails() -> None:
    meter = WritableMeter(5, lost=99)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusTimeoutError):
            await master.send(5, "50 10", "50 50")
    assert meter.executed == ["50 10"]


async def test_application_error_instead_of_an_acknowledge_is_typed() -> None:
    meter = WritableMeter(5)
    error = long(0x08, 5, 0x70, b"\x15")
    bus = ScriptedBus(spoiled(meter, lambda request, answer: error if request[0] == 0x68 else answer))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusApplicationError) as raised:
            await master.send(5, "50")
    assert raised.value.code == 0x15


async def test_data_instead_of_an_acknowledge_is_no_success() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(spoiled(meter, lambda request, answer: telegram(5, 1) if request[0] == 0x68 else answer))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusGarbledError, match="data instead of an acknowledge"):
            await master.send(5, "50")


@pytest.mark.parametrize("address", [251, 252, 253, 255, 256])
async def test_write_to_an_address_of_many_is_a_usage_error_and_nothing_is_sent(address: int) -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5)))
    async with MBusMaster(bus) as master:
        for call in (master.send(address, "50"), master.set_clock(address), master.application_reset(address)):
            with pytest.raises(MBusUsageError):
                await call
    assert bus.stream.requests == []


@pytest.mark.parametrize("data", [(), ("",), ("5",), (b"\x50" * 254,), ("zz",)])
async def test_command_that_is_none_is_a_usage_error(data: tuple[bytes | str, ...]) -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5)))
    async with MBusMaster(bus) as master:
        for call in (master.send(5, *data), master.broadcast(*data)):
            with pytest.raises(MBusUsageError):
                await call
    assert bus.stream.requests == []


async def test_wildcard_that_several_meters_fit_writes_to_none() -> None:
    one, two = WritableMeter(5), WritableMeter(6, identification="12345679")

    def handle(request: bytes) -> Answers:
        answers = [answer for meter in (one, two) if (answer := meter.answer(request)) is not None]
        if len(answers) < 2:
            return answers[0] if answers else None
        return bytes(a & b for a, b in zip(*answers, strict=True))

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusCollisionError):
            await master.send("FFFFFFFFFFFFFFFF", "50")
    assert one.executed == two.executed == []


async def test_wildcard_that_one_meter_fits_writes_to_it() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.send("12345678FFFFFFFF", "50")
    select = "68 0B 0B 68 73 FD 52 78 56 34 12 FF FF FF FF D2 16"
    assert bus.stream.requests[-4:] == [REQ_FD, NKE_FD, select, "68 03 03 68 73 FD 50 C0 16"]
    assert meter.executed == ["50"]


async def test_254_is_written_to_only_where_one_meter_sends_data() -> None:
    meter = WritableMeter(5)

    def by_254(request: bytes) -> Answers:
        if request[2] == 0xFE:
            return meter.answer(short(request[1], 5))
        return meter.answer(long(request[4], 5, request[6], request[7:-2])) if request[5] == 0xFE else None

    bus = ScriptedBus(by_254)
    async with MBusMaster(bus) as master:
        await master.send(254, "50")
    assert meter.executed == ["50"]
    mute = ScriptedBus(lambda request: E5)
    async with MBusMaster(mute) as master:
        with pytest.raises(MBusRefusedError, match="more than one"):
            await master.send(254, "50")
    assert all(request.startswith("10") for request in mute.stream.requests)


async def test_broadcast_goes_out_once_without_fcb_and_waits_for_nobody() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.broadcast("51 04 6D 2D 2D 11 35")
        assert asyncio.get_running_loop().time() < 0.1
        await master.broadcast_clock(datetime(2024, 5, 17, 13, 45))
        await master.broadcast_synchronise()
    clock = "68 09 09 68 43 FF 51 04 6D 2D 2D 11 35 A4 16"
    assert bus.stream.requests == [clock, clock, "68 03 03 68 43 FF 54 96 16"]


async def test_broadcast_is_not_sent_again_when_the_connection_is_lost() -> None:
    sent = []

    def handle(request: bytes) -> Answers:
        sent.append(request)
        if len(sent) == 2:
            asyncio.get_running_loop().call_soon(bus.streams[0].lose)
        return E5

    bus = ScriptedBus(handle)
    async with MBusMaster(bus) as master:
        await master.ping_addresses([5])
        with pytest.raises(MBusConnectionError):
            await master.broadcast("50")
    assert len(sent) == 2


async def test_application_reset_carries_its_sub_code() -> None:
    bus = ScriptedBus(bus_of(WritableMeter(5)))
    async with MBusMaster(bus) as master:
        await master.application_reset(5, 0x50)
        await master.application_reset(5)
    with_code, without = "68 04 04 68 73 05 50 50 18 16", "68 03 03 68 73 05 50 C8 16"
    assert bus.stream.requests == [NKE_5, with_code, NKE_5, without]


async def test_selection_for_readout_and_synchronise_are_sent_as_the_standard_shows_them() -> None:
    meter = WritableMeter(7)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await master.select_for_readout(7, b"\x08\x13", b"\x08\x5a")
        await master.select_for_readout(7)
        await master.synchronise(7)
    assert meter.executed == ["51 08 13 08 5A", "51 7F", "54"]
    assert bus.stream.requests[1] == "68 07 07 68 73 07 51 08 13 08 5A 48 16"


class Clock(WritableMeter):
    """A meter that shows its clock, and sets it unless it is `stuck`; `error` is reported instead of data once."""

    shown = b"\x00\x00\x01\x01"

    def __init__(self, *, stuck: bool = False, error: int | None = None) -> None:
        super().__init__(5)
        self.stuck = stuck
        self.error = error

    def execute(self, command: bytes) -> None:
        super().execute(command)
        if not self.stuck:
            self.shown = command[3:]

    def new_telegram(self) -> bytes:
        if getattr(self, "executed", None) and self.error is not None:
            return long(0x08, 5, 0x70, bytes([self.error]))
        header = bytes.fromhex("78563412242328070000 0000")
        return long(0x08, 5, 0x72, header + b"\x04\x6d" + self.shown)


MOMENT = datetime(2024, 5, 17, 13, 45)


async def test_clock_is_set_by_a_record_of_type_f_and_read_back() -> None:
    meter = Clock()
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        assert await master.set_clock(5, MOMENT) == MOMENT
        assert await master.read_clock(5) == MOMENT
    write = "68 09 09 68 73 05 51 04 6D 2D 2D 11 35 DA 16"
    assert bus.stream.requests == [NKE_5, write, NKE_5, REQ_5, NKE_5, REQ_5]


async def test_clock_that_shows_another_time_afterwards_is_refused() -> None:
    bus = ScriptedBus(bus_of(Clock(stuck=True)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match="the clock shows 2000-01-01 00:00"):
            await master.set_clock(5, MOMENT)


async def test_clock_that_the_meter_cannot_set_is_an_application_error() -> None:
    bus = ScriptedBus(bus_of(Clock(error=0x15)))
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusApplicationError) as raised:
            await master.set_clock(5, MOMENT)
    assert raised.value.code == 0x15


async def test_clock_without_a_time_is_set_to_now_in_whole_minutes() -> None:
    meter = Clock()
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        await asyncio.sleep(40)
        sent = await master.set_clock(5)
    assert (sent.minute, sent.second) == (1, 0)
    assert meter.executed == [f"51 04 6D {meter.shown.hex(' ').upper()}"]


async def test_meter_without_a_clock_has_none_to_read() -> None:
    bus = ScriptedBus(bus_of(Meter(5)))
    async with MBusMaster(bus) as master:
        assert await master.read_clock(5) is None


@pytest.mark.parametrize(("answer", "alarm"), [(E5, None), (bytes.fromhex("68040468080571048216"), 4)])
async def test_alarm_poll_asks_for_class_1_data(answer: bytes, alarm: int | None) -> None:
    bus = ScriptedBus(lambda request: E5 if request[1] == 0x40 else answer)
    async with MBusMaster(bus) as master:
        assert await master.alarm(5) == alarm
        assert asyncio.get_running_loop().time() < 0.25  # E5 is the usual answer: nothing else is waited for
    assert bus.stream.requests == [NKE_5, "10 7A 05 7F 16"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, MBusTimeoutError),
        (b"\xa2", MBusGarbledError),
        (long(0x08, 5, 0x70, b"\x08"), MBusApplicationError),
        (telegram(5, 1), MBusDecodeError),
        (long(0x08, 6, 0x71, b"\x04"), MBusError),
    ],
)
async def test_alarm_poll_takes_nothing_else_for_an_alarm(answer: Answers, error: type[MBusError]) -> None:
    bus = ScriptedBus(lambda request: E5 if request[1] == 0x40 else answer)
    async with MBusMaster(bus) as master:
        with pytest.raises(error):
            await master.alarm(5)


async def test_reading_goes_on_after_every_command() -> None:
    meter = WritableMeter(5)
    bus = ScriptedBus(bus_of(meter))
    async with MBusMaster(bus) as master:
        before = litres(await master.query(5))
        await master.send(5, "51 0C 86 01 10 00 00 00")
        await master.set_primary_address(5, 9)
        after = litres(await master.query(9))
        assert (await master.query_addresses([5]))[5] is None
    assert after > before


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\xa2", "the slave refuses it"),
        (short(0x01, 5), "the slave refuses it"),
        (short(0x11, 5), "the slave is busy .DFC."),
    ],
)
async def test_command_with_a_negative_acknowledge_is_refused_and_not_repeated(answer: bytes, reason: str) -> None:
    bus = ScriptedBus(lambda request: E5 if request == short(0x40, 5) else answer)
    async with MBusMaster(bus) as master:
        with pytest.raises(MBusRefusedError, match=reason):
            await master.send(5, "51 0C 86 01 10 00 00 00")
    assert len(bus.stream.sent) == 2


async def test_acknowledge_right_behind_a_stray_a2_counts() -> None:
    bus = ScriptedBus(lambda request: E5 if request == short(0x40, 5) else b"\xa2" + E5)
    async with MBusMaster(bus) as master:
        await master.send(5, "51 0C 86 01 10 00 00 00")
