"""What a bus file makes of its entries: addresses, identification numbers, names and values of many meters at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench import VirtualBus, decode
from mbusbench.bus.port import GatewayOptions
from mbusbench.codec.frame import LongFrame
from mbusbench.errors import DefinitionError
from mbusbench.meter.meter import Meter

DEVICE = """format: 1
device: {manufacturer: ABC, version: 1, medium: water, id: 12345678, address: 5}
telegrams:
  - records:
      - {vif: volume, unit: m3, code: int32, value: {counter: {start: 1, follows: volume_flow}}}
      - {vif: volume_flow, unit: m3/h, code: int32, value: 2}
      - {name: note, dib: "0D", vib: "FD0B", value: none}
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.yaml").write_text(DEVICE, encoding="utf-8")


def meters(*entries: str, seed: int | None = None, head: str = "") -> list[Meter]:
    lines = "".join(f"  - {{device: d.yaml, {entry}}}\n" for entry in entries)
    Path("bus.yaml").write_text(f"format: 1\n{head}meters:\n{lines}", encoding="utf-8")
    return VirtualBus.from_yaml("bus.yaml", seed).meters


def addresses(*entries: str) -> list[int]:
    return [meter.address for meter in meters(*entries)]


def ids(*entries: str, seed: int | None = None) -> list[str]:
    return [meter.identification for meter in meters(*entries, seed=seed)]


def values(meter: Meter, now: int = 0) -> list[object]:
    header = meter.wire_address + bytes(4)
    frame = LongFrame(0x08, meter.address, 0x72, header + meter.records(0, now))
    return [record.value for record in decode(frame.encode()).records]


def complaint(*entries: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        meters(*entries)
    (line,) = str(caught.value).splitlines()
    return line


def test_addresses_are_a_range_a_step_or_a_list() -> None:
    assert addresses("addresses: 10-13") == [10, 11, 12, 13]
    assert addresses("addresses: 10-20/5") == [10, 15, 20]
    assert addresses("addresses: [200, 1-3, 7]") == [200, 1, 2, 3, 7]
    assert addresses("addresses: 9") == [9]


def test_addresses_skip_what_is_taken_wherever_that_stands() -> None:
    assert addresses("addresses: 5-9", "address: 7") == [5, 6, 8, 9, 7]
    assert addresses("addresses: 5-8, count: 2", "addresses: 5-8") == [5, 6, 7, 8]


def test_count_takes_the_first_that_are_free() -> None:
    assert addresses("address: 11", "addresses: 10-49, count: 3") == [11, 10, 12, 13]


def test_addresses_that_do_not_suffice_are_a_mistake() -> None:
    line = complaint("address: 11", "addresses: 10-12, count: 3")
    assert line.endswith("meters[1].addresses: 2 of the 3 are free, for 3 meters")


def test_address_may_be_calculated() -> None:
    assert addresses('address: "{200 - 10*n}", count: 3') == [200, 190, 180]


def test_identification_numbers_follow_a_template_a_series_or_the_first() -> None:
    assert ids('address: 20, count: 3, id: "1000{n:04}"') == ["10000000", "10000001", "10000002"]
    assert ids('address: 20, count: 2, id: "{address}"') == ["00000020", "00000021"]
    assert ids("address: 20, count: 3, id: {start: 500, step: 10}") == ["00000500", "00000510", "00000520"]
    assert ids("address: 20, count: 2, id: {start: 5, step: 0}") == ["00000005", "00000005"]
    assert ids("address: 20, count: 2, id: 99") == ["00000099", "00000100"]


def test_random_identification_numbers_come_from_the_seed_and_differ() -> None:
    entry = "address: 1, count: 250, id: random"
    first = ids(entry, seed=1)
    assert first == ids(entry, seed=1)
    assert first != ids(entry, seed=2)
    assert len(set(first)) == 250
    assert all(number.isdigit() for number in first)


def test_random_identification_number_of_a_named_meter_does_not_depend_on_the_others() -> None:
    alone = ids("name: hall, address: 9, id: random", seed=3)
    assert ids("address: 1, count: 3", "name: hall, address: 9, id: random", seed=3)[3:] == alone


def test_names_count_up_and_find_their_meters() -> None:
    found = meters('name: "hall {n}", address: 30, count: 2', 'name: "at {address}", addresses: 50-51')
    assert [meter.name for meter in found] == ["hall 0", "hall 1", "at 50", "at 51"]
    assert VirtualBus.from_yaml("bus.yaml").meter("at 51").address == 51


def test_two_entries_with_one_name_are_a_mistake() -> None:
    assert complaint("address: 1, name: a", "address: 2, name: a").endswith("'a' is the name of meters[0]")


def test_values_are_those_of_the_entry_and_others_stay() -> None:
    plain, own = meters("address: 1", "address: 2, values: {volume_flow: 7, note: changed}")
    assert values(plain) == [1, 2, "none"]
    assert values(own) == [1, 7, "changed"]


def test_values_follow_a_template() -> None:
    entry = 'address: 10, count: 3, values: {volume: {counter: {start: "{100 + 5*n}", rate: 1}}, note: "no {address}"}'
    assert [values(meter) for meter in meters(entry)] == [[100, 2, "no 10"], [105, 2, "no 11"], [110, 2, "no 12"]]


def test_value_that_follows_another_follows_the_entry_s() -> None:
    hour = 3600 * 10**9
    (meter,) = meters("address: 1, values: {volume_flow: 50}")
    assert values(meter, 2 * hour)[0] == 101


def test_meters_with_the_same_values_share_a_device() -> None:
    first, second = meters("address: 1, count: 2, values: {volume_flow: 7}")
    assert first.device is second.device


def test_value_that_does_not_fit_names_the_first_meter_that_has_it() -> None:
    line = complaint('address: 1, count: 9, values: {volume_flow: "{1000000000*n}"}')
    assert line.endswith("meters[0].values.volume_flow: 3000000000 does not fit into 32 bits (n = 3)")


def test_included_files_bring_their_meters_and_faults_behind_the_own() -> None:
    Path("sub").mkdir()
    Path("sub/d.yaml").write_text(DEVICE.replace("ABC", "XYZ"), encoding="utf-8")
    Path("sub/a.yaml").write_text(
        "format: 1\ninclude: [b.yaml]\nmeters: [{device: d.yaml, address: 7}]\n"
        "faults: [{name: x, after: y, do: drop}]\n",
        encoding="utf-8",
    )
    Path("sub/b.yaml").write_text("format: 1\nmeters: [{device: ../d.yaml, address: 8}]\n", encoding="utf-8")
    Path("bus.yaml").write_text(
        "format: 1\ninclude: [sub/a.yaml]\nmeters: [{device: d.yaml, address: 6}]\nfaults: [{name: y, do: drop}]\n",
        encoding="utf-8",
    )
    bus = VirtualBus.from_yaml("bus.yaml")
    assert [meter.address for meter in bus.meters] == [6, 7, 8]
    assert [meter.wire_address[4:6] == bus.meters[0].wire_address[4:6] for meter in bus.meters] == [True, False, True]
    assert [fault.name for fault in bus.faults] == ["y", "x"]


def test_bus_file_may_have_nothing_but_included_files() -> None:
    Path("a.yaml").write_text("format: 1\nmeters: [{device: d.yaml}]\n", encoding="utf-8")
    Path("bus.yaml").write_text("format: 1\ninclude: [a.yaml]\n", encoding="utf-8")
    assert len(VirtualBus.from_yaml("bus.yaml").meters) == 1


A = "format: 1\ninclude: [b.yaml]\nmeters: [{device: d.yaml, address: 5}]\n"
INCLUDES = [
    (
        "format: 1\ninclude: [a.yaml]\n",
        "b.yaml:2:11 include[0]: a.yaml is read already: b.yaml cannot include it once more",
    ),
    ("format: 1\ninclude: [b.yaml]\n", "b.yaml:2:11 include[0]: b.yaml includes itself"),
    (
        "format: 1\nmeters: [{device: d.yaml, address: 5}]\n",
        "b.yaml:2:36 meters[0].address: address 5 is that of meters[0] in a.yaml"
        " (allow_duplicate_addresses: true permits it)",
    ),
    ("format: 1\nmeters: []\nseed: 3\n", "b.yaml:3:1: 'seed' is for the outermost file, a.yaml"),
    ("format: 1\nmeters: []\nlisten: []\n", "b.yaml:3:1: 'listen' is for the outermost file, a.yaml"),
    ("format: 1\n", "b.yaml:1:1: 'meters' is missing"),
    (
        "format: 1\nfaults: [{name: x, after: y, do: drop}]\n",
        "b.yaml:2:27 faults[0].after: there is no fault 'y'",
    ),
    ("format: 1\nmeters: [{device: e.yaml}]\n", "b.yaml:2:19 meters[0].device: there is no file 'e.yaml'"),
    ("format: 1\nmeters: [", "b.yaml:3:1: no value where one must be"),
]


@pytest.mark.parametrize(("included", "line"), INCLUDES)
def test_mistake_of_an_included_file_is_one_line(included: str, line: str) -> None:
    Path("a.yaml").write_text(A, encoding="utf-8")
    Path("b.yaml").write_text(included, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        VirtualBus.from_yaml("a.yaml")
    assert str(caught.value).splitlines() == [line]


def test_endpoints_with_one_url_have_options_of_their_own() -> None:
    Path("bus.yaml").write_text(
        "format: 1\nmeters: []\nlisten:\n"
        "  - tcp://127.0.0.1:0\n  - {url: tcp://127.0.0.1:0, gateway: {latency: 5ms}}\n",
        encoding="utf-8",
    )
    options = [options.gateway for _, options in VirtualBus.from_yaml("bus.yaml").endpoints]
    assert options == [None, GatewayOptions(latency=5_000_000)]
