"""Search by secondary address: who is found, what is never invented, and how it is stopped, in virtual time.

The bus is VirtualBus with its line in bits: collisions are what a receiver makes of several slaves at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks import search
from mbusbench import (
    MBusFound,
    MBusMaster,
    MBusSlaveInfo,
    MBusUnresolved,
    SearchProgress,
    SearchState,
    SecondaryAddress,
    VirtualBus,
)
from mbusbench.bus.interference import Altered
from mbusbench.bus.slave import Slave
from mbusbench.clock.virtual import run
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.errors import MBusCollisionError, MBusUsageError
from mbusbench.line.wire import Transmission, WireSignal
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.protocol.slave.settings import SlaveSettings
from mbusbench.transport import Stream

MILLISECOND = 1_000_000
ALIGNED = (20 * MILLISECOND, 20 * MILLISECOND)
EVERYTHING = "F" * 16
FOUR = ["1449100124232807", "1449100824232807", "3210483324232807", "7654321024232807"]
EQUAL = ["123456782D2C0104", "12345678A7320207", "12345678A732030D"]  # KAM, LUG, LUG


class Disturbance:
    """The seam of the bus where tests lose answers, make slaves deaf and noise heard; nothing of it by default."""

    def __init__(self, *, deaf: Callable[[Slave, int], bool] | None = None) -> None:
        self.deaf = deaf
        self.lost: Callable[[LongFrame | ShortFrame, Slave], bool] = lambda request, slave: False

    def of_master(self, transmission: Transmission, port: int, now: int) -> Sequence[WireSignal] | None:
        return None

    def of_request(self, frame: LongFrame | ShortFrame, slave: Slave, port: int | None, now: int) -> bool:
        return not (self.deaf and type(frame) is LongFrame and self.deaf(slave, frame.control))

    def of_answer(
        self, request: LongFrame | ShortFrame, reply: Transmission, slave: Slave, port: int | None
    ) -> Altered | None:
        return Altered(()) if self.lost(request, slave) else None


class Tapped:
    """A bus whose connection notes what the master sends, and may be disturbed by noise behind a request."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.sent: list[bytes] = []
        self.noise: Callable[[bytes], bytes] = lambda request: b""

    def connect(self) -> Stream:
        stream = self.bus.connect()
        write = stream.write

        def tapped(data: bytes) -> None:
            self.sent.append(data)
            write(data)
            noise = self.noise(data)
            if noise:
                asyncio.get_running_loop().call_later(len(data) * 11 / 2400 + 0.03, lambda: stream.on_data(noise))

        stream.write = tapped  # type: ignore[method-assign]
        return stream

    @property
    def selections(self) -> Counter[bytes]:
        return Counter(data for data in self.sent if data[0] == 0x68 and data[6] == 0x52)


def bus_of(
    addresses: Iterable[str],
    delay: tuple[int, int] | None = None,
    seed: int = 0,
    settings: SlaveSettings | None = None,
) -> VirtualBus:
    """Meters of one model; `delay` is the shortest and the longest response delay in ns."""
    device = catalogue.load("kamstrup/flowiq-2101")
    meters = []
    for index, text in enumerate(addresses):
        address = SecondaryAddress.parse(text)
        meters.append(
            Meter(
                device,
                address=index % 250 + 1,
                identification=address.identification,
                manufacturer=address.manufacturer,
                version=address.version,
                medium=address.device_type,
                response_delay=delay,
                settings=settings,
                seed=str(index),
            )
        )
    return VirtualBus(meters, speed=1, seed=seed)


async def found_on(bus: VirtualBus | Tapped, mask: str = EVERYTHING, **options: object) -> list[str]:
    """Secondary addresses in the order found; what is not resolved as `kind mask`."""
    async with MBusMaster(bus) as master:
        return [text(entry) async for entry in master.search(mask, **options)]  # type: ignore[arg-type]


def text(entry: MBusSlaveInfo | MBusUnresolved) -> str:
    if isinstance(entry, MBusUnresolved):
        return f"{entry.kind} {entry.mask}"
    assert entry.secondary_address is not None
    return entry.secondary_address


def search_on(bus: VirtualBus | Tapped, mask: str = EVERYTHING, **options: object) -> list[str]:
    return run(found_on(bus, mask, **options))


# -- the cases of the catalogue, SEC-SRC


@pytest.mark.parametrize("delay", [None, ALIGNED, (5 * MILLISECOND, 180 * MILLISECOND)])
def test_each_of_four_meters_is_found_once(delay: tuple[int, int] | None) -> None:
    bus = Tapped(bus_of(FOUR, delay))
    assert sorted(search_on(bus)) == FOUR
    assert bus.sent[:2] == [bytes.fromhex("1040FF3F16"), bytes.fromhex("1040FD3D16")]
    assert bus.selections.total() <= 400
    assert max(bus.selections.values()) <= 4


@pytest.mark.parametrize("delay", [None, ALIGNED])
def test_meters_with_equal_identifications_are_told_apart(delay: tuple[int, int] | None) -> None:
    assert sorted(search_on(bus_of(EQUAL, delay), "1234567FFFFFFFFF")) == sorted(EQUAL)


def test_hex_digits_are_searched_too() -> None:
    addresses = ["05000231434C0102", "0500023E434C0102"]
    assert sorted(search_on(bus_of(addresses), "0500023FFFFFFFFF")) == addresses


def test_one_clean_acknowledge_does_not_hide_a_second_meter() -> None:
    bus = Tapped(bus_of(FOUR[:2], ALIGNED))
    assert sorted(search_on(bus, "1449100FFFFFFFFF")) == FOUR[:2]


def test_a_second_meter_that_answers_behind_the_first_is_found() -> None:
    bus = bus_of(["1449100124232807", "1449100824232807"])
    for slave, delay in zip(bus.slaves, (5 * MILLISECOND, 185 * MILLISECOND), strict=True):
        slave.meter.response_delay = (delay, delay)
    assert sorted(search_on(bus, "1449100FFFFFFFFF")) == FOUR[:2]


@pytest.mark.parametrize("delay", [None, ALIGNED])
def test_no_meter_is_missed_where_the_first_acknowledge_of_every_mask_is_lost(delay: tuple[int, int] | None) -> None:
    bus = bus_of(FOUR[:2], delay)
    asked: Counter[tuple[bytes, int]] = Counter()
    disturbance = Disturbance()

    def lost(request: LongFrame | ShortFrame, slave: Slave) -> bool:
        if type(request) is not LongFrame or request.ci != 0x52:
            return False
        asked[request.data, slave.meter.address] += 1
        return asked[request.data, slave.meter.address] == 1

    disturbance.lost = lost
    bus.interference = disturbance
    assert sorted(search_on(bus, "1449100FFFFFFFFF")) == FOUR[:2]


def test_noise_on_an_empty_bus_is_no_meter() -> None:
    bus = Tapped(bus_of([]))
    noisy = iter([b"\xfe"])
    bus.noise = lambda request: next(noisy, b"") if request[0] == 0x68 else b""
    assert search_on(bus) == []
    assert max(bus.selections.values()) <= 4
    assert bus.selections.total() < 10


def test_endless_noise_ends_the_search_and_invents_nobody() -> None:
    bus = Tapped(bus_of([]))
    bus.noise = lambda request: b"\xfe"
    found = search_on(bus)
    assert found
    assert all(entry.startswith(("garbled ", "collision ")) for entry in found)
    assert bus.selections.total() < 1000


# -- meters with manners of their own


def test_meters_that_know_one_control_field_only_are_found_beside_others() -> None:
    only = {1: 0x53, 2: 0x73}
    bus = bus_of(FOUR)
    bus.interference = Disturbance(
        deaf=lambda slave, control: slave.meter.address in only and control != only[slave.meter.address]
    )
    assert sorted(search_on(bus)) == FOUR


def test_a_meter_that_sends_no_data_is_reported_with_its_identification() -> None:
    bus = bus_of(FOUR[:2])
    disturbance = Disturbance()
    disturbance.lost = lambda request, slave: type(request) is ShortFrame and slave.meter.address == 2
    bus.interference = disturbance
    assert sorted(search_on(bus, "1449100FFFFFFFFF")) == [FOUR[0], "no-answer 14491008FFFFFFFF"]


def test_meters_that_cannot_be_told_apart_are_reported_with_the_narrowest_mask() -> None:
    bus = bus_of(["12345678242328AA", "12345678242328AA", "1234567924232807"])
    assert sorted(search_on(bus, "1234567FFFFFFFFF")) == ["1234567924232807", "collision 12345678242328AA"]


def test_telegrams_that_look_like_that_of_a_third_meter_when_they_collide_invent_nobody() -> None:
    """Of meters with equal records the AND of two telegrams often has the right checksum: 1 AND 2 is a meter 0."""
    for digits in product("0123456789", repeat=2):
        addresses = [f"1234560{digit}24232807" for digit in sorted(set(digits))]
        assert sorted(search_on(bus_of(addresses, ALIGNED), "123456FFFFFFFFFF")) == addresses


def test_a_meter_hidden_by_the_telegram_of_another_one_is_found() -> None:
    addresses = [f"1234{number:04}24232807" for number in range(40)]
    assert sorted(search_on(bus_of(addresses, ALIGNED))) == addresses


# -- any bus


IDENTIFICATIONS = st.one_of(
    st.from_regex("[0-9]{8}", fullmatch=True),
    st.from_regex("1234567[0-9A-E]", fullmatch=True),
    st.from_regex("[0-9A-E]{8}", fullmatch=True),
    st.just("12345678"),
)
ADDRESSES = st.builds(
    lambda identification, rest: identification + rest,
    IDENTIFICATIONS,
    st.sampled_from(["24232807", "2D2C1B04", "2D2C3504", "A732020D", "A7320207"]),
)


@settings(max_examples=30, phases=(Phase.explicit, Phase.generate), suppress_health_check=[HealthCheck.too_slow])
@given(
    addresses=st.sets(ADDRESSES, max_size=20),
    delay=st.sampled_from([None, ALIGNED, (5 * MILLISECOND, 6 * MILLISECOND), (5 * MILLISECOND, 180 * MILLISECOND)]),
    loss=st.sampled_from([0.0, 0.002]),
    seed=st.integers(0, 1000),
)
def test_the_result_is_exactly_who_is_on_the_bus(
    addresses: set[str], delay: tuple[int, int] | None, loss: float, seed: int
) -> None:
    bus = bus_of(sorted(addresses), delay, seed)
    random = Random(seed)
    before: set[tuple[bytes, int]] = set()
    disturbance = Disturbance()

    def lost(request: LongFrame | ShortFrame, slave: Slave) -> bool:
        if type(request) is not LongFrame or (request.data, slave.meter.address) in before or random.random() >= loss:
            return False
        before.add((request.data, slave.meter.address))
        return True

    disturbance.lost = lost
    bus.interference = disturbance
    tapped = Tapped(bus)
    found = search_on(tapped)
    assert sorted(found) == sorted(addresses)
    assert max(tapped.selections.values()) <= 6


# -- stopping, going on, and what else the caller sees


async def test_a_search_goes_on_where_it_was_stopped_and_yields_each_meter_once() -> None:
    random = Random(3)
    addresses = sorted(f"{random.randrange(10**8):08}24232807" for _ in range(30))
    whole, pieces = Tapped(bus_of(addresses)), Tapped(bus_of(addresses))
    complete = SearchState()
    await found_on(whole, state=complete)
    found: list[str] = []
    state = SearchState()
    async with MBusMaster(pieces) as master:
        for _ in range(1000):
            try:
                async with asyncio.timeout(7.3):
                    async for entry in master.search(state=state):
                        found.append(text(entry))
            except TimeoutError:
                assert (await master.ping_addresses([1]))[1]
                state = SearchState.parse(str(state))
                continue
            break
    assert sorted(found) == addresses
    assert state.is_complete
    assert pieces.selections.total() <= whole.selections.total() * 1.3


test_a_search_goes_on_where_it_was_stopped_and_yields_each_meter_once.pytestmark = [pytest.mark.virtual_time]  # type: ignore[attr-defined]


@pytest.mark.virtual_time
async def test_other_calls_of_the_same_master_go_in_between() -> None:
    addresses = [f"{number * 7919 % 10**8:08}24232807" for number in range(1, 20)]
    bus = bus_of(addresses)
    async with MBusMaster(bus) as master:
        readings = 0

        async def read() -> None:
            nonlocal readings
            while True:
                data = await master.query(addresses[3])
                assert data.secondary_address == addresses[3]
                readings += 1

        reader = asyncio.create_task(read())
        found = [text(entry) async for entry in master.search()]
        reader.cancel()
    assert sorted(found) == sorted(addresses)
    assert readings > 10


def test_known_addresses_save_exchanges_and_wrong_ones_do_no_harm() -> None:
    random = Random(9)
    addresses = sorted(f"{random.randrange(10**8):08}24232807" for _ in range(30))
    unknown, known, wrong = Tapped(bus_of(addresses)), Tapped(bus_of(addresses)), Tapped(bus_of(addresses))
    assert sorted(search_on(unknown)) == addresses
    assert sorted(search_on(known, known=addresses)) == addresses
    assert len(known.sent) < 0.9 * len(unknown.sent)
    others = [f"{random.randrange(10**8):08}24232807" for _ in range(30)]
    assert sorted(search_on(wrong, known=others)) == addresses


def test_progress_grows_to_the_end() -> None:
    seen: list[SearchProgress] = []
    search_on(bus_of(FOUR), progress=seen.append)
    parts = [each.part for each in seen]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert seen[-1].found == 4
    assert len({each.mask for each in seen}) > 30


def test_the_search_keeps_to_its_mask() -> None:
    assert sorted(search_on(bus_of(FOUR), "1449FFFFFFFFFFFF")) == FOUR[:2]
    assert search_on(bus_of(FOUR), "9FFFFFFFFFFFFFFF") == []
    assert search_on(bus_of(FOUR), FOUR[2]) == [FOUR[2]]


@pytest.mark.virtual_time
async def test_arguments_are_checked_before_anything_is_sent() -> None:
    bus = Tapped(bus_of(FOUR))
    async with MBusMaster(bus) as master:
        for arguments in ({"mask": "1234"}, {"known": ["12"]}, {"known": FOUR[0]}):
            with pytest.raises(MBusUsageError):
                master.search(**arguments)  # type: ignore[arg-type]
        state = SearchState()
        _ = [entry async for entry in master.search("9FFFFFFFFFFFFFFF", state=state)]
        with pytest.raises(MBusUsageError, match="9FFFFFFFFFFFFFFF"):
            master.search(state=state)
    for broken in ("", "{}", "[]", '{"format": 2}', str(state).replace("NOBODY", "x").replace("nobody", "x")):
        with pytest.raises(MBusUsageError):
            SearchState.parse(broken)


def test_serial_numbers_in_sequence_take_little_more_than_two_exchanges_each() -> None:
    addresses = [f"{40012345 + number:08}24232807" for number in range(100)]
    bus = Tapped(bus_of(addresses))
    assert sorted(search_on(bus)) == addresses
    assert len(bus.sent) <= 260


@pytest.mark.parametrize("make", [search.random_addresses, search.sequence])
def test_a_search_takes_clearly_less_than_the_plain_one(make: Callable[[int, int], list[str]]) -> None:
    addresses = make(40, 1)
    mine, plain = search.ours(addresses, 1), search.plain(addresses, 1, search.PlainSearch())
    assert sorted(mine.found) == sorted(plain.found) == addresses
    assert mine.exchanges <= 0.75 * plain.exchanges


# -- equal addresses


def numbered(directory: Path, numbers: Iterable[str], settings: SlaveSettings | None = None) -> VirtualBus:
    """Meters with one secondary address and these fabrication numbers."""
    meters = []
    for index, number in enumerate(numbers):
        path = directory / f"{index}.yaml"
        path.write_text(
            "format: 1\ndevice: {manufacturer: HYD, version: 0x28, medium: water, id: 12345678, address: 1}\n"
            f"telegrams:\n  - records:\n      - {{dib: '0C', vib: '78', value: {number}}}\n"
            f"      - {{vif: volume, unit: m3, scale: -3, code: int32, value: {index * 77777}}}\n"
        )
        meters.append(Meter(Device.from_file(path), address=index + 1, settings=settings, seed=str(index)))
    return VirtualBus(meters, speed=1)


async def found_by_number(bus: VirtualBus) -> list[tuple[str | None, str | None]]:
    async with MBusMaster(bus) as master:
        found = [entry async for entry in master.search()]
    assert all(isinstance(entry, MBusFound) for entry in found)
    return sorted((entry.secondary_address, entry.fabrication_number) for entry in found)  # type: ignore[union-attr]


def test_meters_with_one_address_are_told_apart_by_their_fabrication_numbers(tmp_path: Path) -> None:
    found = run(found_by_number(numbered(tmp_path, ["10000017", "10000023", "10000029"])))
    assert [address for address, _ in found] == ["1234567824232807"] * 3
    assert sorted(str(number)[-1] for _, number in found) == ["3", "7", "9"]


def test_meters_with_one_address_that_take_no_fabrication_number_are_reported(tmp_path: Path) -> None:
    bus = Tapped(numbered(tmp_path, ["10000017", "10000023"], SlaveSettings(enhanced_selection=False)))
    assert search_on(bus) == ["collision 1234567824232807"]
    assert len(bus.sent) < 300


@pytest.mark.parametrize("delay", [None, (5 * MILLISECOND, 180 * MILLISECOND)])
@pytest.mark.parametrize("seed", range(6))
def test_two_identical_meters_are_reported(delay: tuple[int, int] | None, seed: int) -> None:
    bus = Tapped(bus_of(["1234567824232807"] * 2, delay, seed, SlaveSettings(enhanced_selection=False)))
    assert "collision 1234567824232807" in search_on(bus, "1234567FFFFFFFFF")
    assert len(bus.sent) < 1200


def test_meters_that_take_no_selection_without_a_wildcard_are_found() -> None:
    settings = SlaveSettings(exact_selection=False)
    for delay in (None, ALIGNED):
        assert sorted(search_on(bus_of([*FOUR, *EQUAL], delay, settings=settings))) == sorted([*FOUR, *EQUAL])


# -- what a search leaves behind


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["to the end", "break", "cancelled"])
async def test_no_slave_is_left_selected(how: str) -> None:
    bus = Tapped(bus_of(FOUR))
    async with MBusMaster(bus) as master:
        entries = master.search()
        if how == "cancelled":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(9.9):
                    _ = [entry async for entry in entries]
        else:
            async for _ in entries:
                if how == "break":
                    break
            await entries.aclose()
        assert bus.sent[-1] == bytes.fromhex("1040FD3D16")
        assert not any(slave.link.is_selected for slave in bus.bus.slaves)
        assert (await master.query(FOUR[1])).secondary_address == FOUR[1]


@pytest.mark.virtual_time
async def test_a_found_meter_says_by_which_mask_it_was_found() -> None:
    async with MBusMaster(bus_of(FOUR)) as master:
        async for entry in master.search():
            assert isinstance(entry, MBusFound)
            assert entry.secondary_address is not None
            mask = SecondaryAddress.parse(entry.found_by)
            fitting = [text for text in FOUR if mask.matches(SecondaryAddress.parse(text))]
            assert fitting == [entry.secondary_address]
            assert (await master.query(entry.secondary_address)).secondary_address == entry.secondary_address


def test_known_addresses_are_asked_for_first() -> None:
    random = Random(4)
    addresses = [f"{random.randrange(10**8):08}24232807" for _ in range(30)]
    found = search_on(bus_of(addresses), known=addresses[:3])
    assert set(addresses[:3]) <= set(found[:6])
    assert sorted(found) == sorted(addresses)


@pytest.mark.parametrize("seed", range(3))
def test_noise_now_and_then_costs_no_meter_and_invents_none(seed: int) -> None:
    random = Random(seed)
    bus = Tapped(bus_of([*FOUR, *EQUAL]))
    bus.noise = lambda request: random.randbytes(2) if random.random() < 0.03 else b""
    found = search_on(bus)
    assert {entry for entry in found if " " not in entry} == {*FOUR, *EQUAL}


# -- readout by an address that fits several, and after a selection was lost


@pytest.mark.virtual_time
@pytest.mark.parametrize("delay", [None, ALIGNED])
async def test_a_readout_by_a_mask_that_several_fit_is_a_collision(delay: tuple[int, int] | None) -> None:
    async with MBusMaster(bus_of(FOUR, delay)) as master:
        with pytest.raises(MBusCollisionError, match="more than one slave"):
            await master.query("FFFFFFFFFFFFFFFF")


@pytest.mark.virtual_time
async def test_a_readout_survives_a_lost_selection() -> None:
    bus = bus_of(FOUR)
    disturbance = Disturbance()
    lost: Counter[int] = Counter()

    def loses_selection(request: LongFrame | ShortFrame, slave: Slave) -> bool:
        lost[slave.meter.address] += type(request) is LongFrame
        return type(request) is LongFrame and lost[slave.meter.address] == 1

    disturbance.lost = loses_selection
    bus.interference = disturbance
    async with MBusMaster(bus) as master:
        assert (await master.query(FOUR[0])).secondary_address == FOUR[0]
        bus.lose_power(round(asyncio.get_running_loop().time() * 1e9))
        assert (await master.query(FOUR[0])).secondary_address == FOUR[0]
