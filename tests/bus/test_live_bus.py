"""Meters come and go while a bus runs: by hand, and because its files have changed. Nobody else notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbusbench import MBusMaster, VirtualBus
from mbusbench.bus.live import LiveBus
from mbusbench.clock.virtual import run
from mbusbench.codec.frame import ShortFrame
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.meter.catalogue import load
from mbusbench.meter.meter import Meter
from mbusbench.protocol.fcb import Service
from mbusbench.trace.event import ADDED, REMOVED, REPLACED, Kind, TraceEvent

DEVICE = """format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}
telegrams:
  - records: [{vif: volume, unit: m3, code: int32, value: 1, writable: true}]
"""
BUS = """format: 1
seed: 7
meters:
  - {device: d.yaml, address: 5}
  - {device: d.yaml, address: 6, name: hall}
  - {device: d.yaml, addresses: 10-19, count: 3}
"""
SECOND = 10**9


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "d.yaml").write_text(DEVICE, encoding="utf-8")
    (tmp_path / "bus.yaml").write_text(BUS, encoding="utf-8")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def ask(bus: VirtualBus, address: int, control: int = 0x7B, now: int = 0) -> bytes:
    port = bus.open_port(None, now)
    bus.receive(port, ShortFrame(control, address).encode(), now)
    answer = b"".join(send.data for send in bus.poll(now))
    bus.close_port(port, now)
    return answer


def water(files: Path, **options: Any) -> Meter:
    return Meter(load(str(files / "d.yaml")), **options)


def test_meter_that_is_added_answers_and_one_that_is_removed_does_not(files: Path) -> None:
    bus = VirtualBus([water(files)])
    assert ask(bus, 9) == b""
    bus.add_meter(water(files, address=9, name="new"))
    assert ask(bus, 9)
    assert bus.meter("new") is bus.meter(9)
    bus.remove_meter("new")
    assert ask(bus, 9) == b""
    assert [meter.address for meter in bus.meters] == [5]


def test_selected_meter_that_is_removed_is_selected_no_more(files: Path) -> None:
    bus = VirtualBus([water(files)])
    port = bus.open_port()
    bus.receive(port, bytes.fromhex("680B0B6853FD5278563412FFFFFFFFB216"), 0)
    assert [send.data for send in bus.poll(0)] == [b"\xe5"]
    bus.remove_meter(5)
    bus.receive(port, ShortFrame(0x7B, 253).encode(), 0)
    assert bus.poll(0) == []


def test_replaced_meter_keeps_its_place_among_the_others(files: Path) -> None:
    bus = VirtualBus([water(files, address=address) for address in (1, 2, 3)])
    new = bus.replace_meter(2, water(files, address=77))
    assert bus.meters[1] is new
    assert ask(bus, 2) == b""
    assert ask(bus, 77)


def test_each_exchange_is_a_note_in_the_trace(files: Path) -> None:
    bus = VirtualBus([water(files)])
    events: list[TraceEvent] = []
    bus.trace = events.append
    bus.add_meter(water(files, address=9), 3)
    bus.replace_meter(9, water(files, address=9), 4)
    bus.remove_meter(9, 5)
    noted = [(event.time, event.cause[0], event.source) for event in events if event.kind is Kind.NOTE]
    assert noted == [(3, ADDED, "slave 9"), (4, REPLACED, "slave 9"), (5, REMOVED, "slave 9")]


@pytest.mark.parametrize(
    ("who", "says"),
    [
        (9, "the bus has no meter at address 9"),
        ("x", "the bus has no meter named 'x'"),
        ("", "the bus has no meter named ''"),
        (5, "the bus has 2 meters at address 5"),
    ],
)
def test_meter_that_cannot_be_told_is_an_error_of_the_caller(who: str | int, says: str, files: Path) -> None:
    bus = VirtualBus([water(files), water(files)])
    with pytest.raises(MBusUsageError, match=says):
        bus.remove_meter(who)


def test_answer_of_a_meter_that_is_removed_ends_in_the_middle(files: Path) -> None:
    def heard(removes: bool) -> bytes:
        bus = VirtualBus([water(files)], speed=1)
        port = bus.open_port()
        bus.receive(port, ShortFrame(0x7B, 5).encode(), 0)
        if removes:
            bus.at(SECOND // 10, lambda time: bus.remove_meter(5, time) and None)
        return b"".join(send.data for send in bus.poll(SECOND))

    whole, cut = heard(False), heard(True)
    assert 0 < len(cut) < len(whole)


def test_bus_in_virtual_time_goes_on_while_meters_are_exchanged(files: Path) -> None:
    async def work() -> tuple[object, ...]:
        bus = VirtualBus([water(files)], speed=1)
        async with MBusMaster(bus) as master:
            first = await master.ping_addresses([5, 6])
            bus.add_meter(water(files, address=6))
            second = await master.ping_addresses([5, 6])
            bus.remove_meter(5)
            return first, second, await master.ping_addresses([5, 6])

    assert run(work()) == ({5: True, 6: False}, {5: True, 6: True}, {5: False, 6: True})


def test_unchanged_meters_keep_their_whole_state(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    before = live.bus.meters
    ask(live.bus, 5)
    fcb = before[0].link.fcb(Service.REQ_UD2).last
    change(files / "bus.yaml", "address: 6, name: hall", "address: 6, name: hall, status: 4")
    changes = live.reload()
    after = live.bus.meters
    assert (changes.changed, changes.added, changes.removed, changes.kept) == (("hall",), (), (), 4)
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True, True, True]
    assert after[0].link.fcb(Service.REQ_UD2).last == fcb
    assert after[1].status == 4


def test_meters_are_added_and_removed_as_the_file_says(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    change(files / "bus.yaml", "  - {device: d.yaml, address: 5}\n", "  - {device: d.yaml, address: 100}\n")
    changes = live.reload()
    assert (changes.added, changes.removed, changes.changed) == (("100",), ("5",), ())
    assert str(changes) == "meters: 1 added (100), 1 removed (5), 4 kept"
    assert ask(live.bus, 5) == b""
    assert ask(live.bus, 100)


def test_meter_with_a_name_is_changed_where_its_address_changes(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    change(files / "bus.yaml", "address: 6", "address: 60")
    assert live.reload().changed == ("hall",)
    assert live.bus.meter("hall").address == 60


def test_change_of_a_device_file_changes_all_its_meters(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    before = ask(live.bus, 5, 0x5B)
    change(files / "d.yaml", "value: 1", "value: 77")
    assert live.reload().kept == 0
    after = ask(live.bus, 5, 0x5B)
    assert (before[-6], after[-6]) == (1, 77)


def test_file_that_was_only_touched_changes_nothing(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    (files / "d.yaml").write_text(f"# nothing\n{DEVICE}", encoding="utf-8")
    changes = live.reload()
    assert changes.kept == 5
    assert str(changes) == "meters: 5 kept"


def test_file_with_a_mistake_leaves_the_bus_as_it_was(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    before = live.bus.meters
    change(files / "bus.yaml", "address: 6", "address: 5")
    with pytest.raises(DefinitionError, match=r"address 5 is that of meters\[0\]"):
        live.reload()
    assert live.bus.meters == before
    change(files / "bus.yaml", "address: 5, name", "address: 8, name")
    assert live.reload().changed == ("hall",)


def test_changed_meter_keeps_what_a_meter_keeps_without_power(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    port = live.bus.open_port()
    for command in ("53 05 51 04 16 F4 01 00 00", "7305 51 01 7A 14"):  # volume: 500, then address 20
        body = bytes.fromhex(command)
        frame = bytes([0x68, len(body), len(body), 0x68, *body, sum(body) & 0xFF, 0x16])
        live.bus.receive(port, frame, 0)
        assert [send.data for send in live.bus.poll(0)] == [b"\xe5"]
    live.bus.close_port(port)
    change(files / "bus.yaml", "address: 5}", "address: 5, status: 4}")
    live.reload()
    assert live.bus.meters[0].address == 20
    assert live.bus.meters[0].status == 4
    assert live.bus.meters[0].link.fcb(Service.SND_UD).fresh
    assert live.bus.meters[0].records(0, 0).hex(" ") == "04 16 f4 01 00 00"


def test_faults_that_are_unchanged_stay_armed_with_what_they_counted(files: Path) -> None:
    faults = "faults:\n  - {name: a, on: 5, do: drop}\n  - {name: b, on: 6, do: drop}\n"
    (files / "bus.yaml").write_text(BUS + faults, encoding="utf-8")
    live = LiveBus.from_yaml(files / "bus.yaml")
    assert ask(live.bus, 5) == b""
    change(files / "bus.yaml", "name: b, on: 6", "name: b, on: 10")
    changes = live.reload()
    assert changes.faults == ("b changed",)
    assert live.bus.faults["a"].hits == 1
    change(files / "bus.yaml", "  - {name: a, on: 5, do: drop}\n", "  - {name: c, on: 5, after: b, do: drop}\n")
    assert live.reload().faults == ("a removed", "c added")
    assert ask(live.bus, 5)


def test_what_belongs_to_the_whole_bus_waits_for_the_next_start(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    change(files / "bus.yaml", "seed: 7\n", "seed: 8\nline: {baud: 300}\n")
    changes = live.reload()
    assert changes.ignored == ("line", "seed")
    assert str(changes) == "meters: 5 kept; as before until the next start: line, seed"
    assert (live.bus.seed, live.bus.baud) == (7, 2400)


def test_meters_of_an_included_file_follow_it(files: Path) -> None:
    (files / "more.yaml").write_text("format: 1\nmeters: [{device: d.yaml, address: 200}]\n", encoding="utf-8")
    (files / "bus.yaml").write_text(f"include: [more.yaml]\n{BUS}", encoding="utf-8")
    live = LiveBus.from_yaml(files / "bus.yaml")
    assert {path.name for path in live.files} == {"bus.yaml", "more.yaml", "d.yaml"}
    change(files / "more.yaml", "200", "201")
    changes = live.reload()
    assert (changes.added, changes.removed) == (("201",), ("200",))


def test_devices_without_a_bus_file_are_followed_too(files: Path) -> None:
    live = LiveBus.from_devices([str(files / "d.yaml")])
    assert [path.name for path in live.files] == ["d.yaml"]
    change(files / "d.yaml", "address: 5", "address: 55")
    changes = live.reload()
    assert (changes.added, changes.removed) == (("55",), ("5",))


def test_meter_that_was_taken_off_by_hand_comes_back_with_the_next_reload(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    live.bus.remove_meter("hall")
    assert live.reload().added == ("hall",)


def test_meters_in_one_housing_come_and_go_together(files: Path) -> None:
    live = LiveBus.from_yaml(files / "bus.yaml")
    change(files / "bus.yaml", "address: 6, name: hall", "address: 6, name: hall, quirks: [two_in_one_housing]")
    assert live.reload().changed == ("hall",)
    assert [meter.address for meter in live.bus.meters] == [5, 6, 6, 10, 11, 12]
    assert [meter.address for meter in live.bus.housings] == [5, 10, 11, 12, 6]
    assert live.reload().kept == 5
    live.bus.remove_meter(6)
    assert [meter.address for meter in live.bus.meters] == [5, 10, 11, 12]
