"""The `quirks` of device and bus files: what they add up to, and each mistake in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.meter import catalogue
from mbusbench.meter.checks import failures
from mbusbench.meter.meter import Meter
from mbusbench.meter.quirk.listing import quirks_of
from mbusbench.meter.quirk.quirk import NO_SOURCE, Quirk, contradictions, written_options
from mbusbench.meter.quirk.table import GROUPS, QUIRKS
from mbusbench.protocol.slave.link import SlaveLink
from tests.bus.wire import DEVICE
from tests.cli.invoking import invoke

SOURCE = re.compile(r"#\d|PR \d|manual|recorded|M-Bus 4.8|EN 13757|published|public")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "quirks.md"


def device(directory: Path, quirks: str = "[]", more: str = "") -> Path:
    path = directory / "device.yaml"
    path.write_text(f"{DEVICE}quirks: {quirks}\n{more}", encoding="utf-8")
    return path


def bus(directory: Path, entry: str, own: str = "[]") -> VirtualBus:
    device(directory, own)
    path = directory / "bus.yaml"
    path.write_text(f"format: 1\nmeters:\n  - {{device: device.yaml, address: 5, {entry}}}\n", encoding="utf-8")
    return VirtualBus.from_yaml(path)


@pytest.mark.parametrize(
    ("quirks", "says"),
    [
        ("[fcb_ignord]", "quirks[0]: there is no quirk 'fcb_ignord', did you mean 'fcb_ignored'?"),
        ("[{slw: 1s}]", "quirks[0]: there is no quirk 'slw', did you mean 'slow'?"),
        ("[{slow: {dely: 1s}}]", "quirks[0].slow: unknown key 'dely', did you mean 'delay'?"),
        ("[{slow: 5}]", "quirks[0].slow: 5 has no unit: write a duration as 5ms, 5s, 5min, 5h or 5d"),
        ("[{slow: 0s}]", "quirks[0].slow: 0 is no time"),
        ("[{fcb_stuck: 0}]", "quirks[0].fcb_stuck: 0 is not in 1..1000"),
        ("[{fcb_ignored: 1}]", "quirks[0].fcb_ignored: fcb_ignored takes no options, and not 1"),
        ("[{slow: 1s, late: 5ms}]", "quirks[0]: needs exactly one quirk: write each as an item of the list"),
        ("[7]", "quirks[0]: 7 is not the name of a quirk"),
        ("slow", "quirks: 'slow' is not a list"),
        ("[slow, slow]", "quirks[1]: 'slow' is listed twice"),
        ("[slow, late]", "quirks[1]: 'late' contradicts 'slow': both decide response_delay"),
        ("[fcb_stuck, fcb_ignored]", "quirks[1]: 'fcb_ignored' contradicts 'fcb_stuck': both decide fcb"),
        ("[{one_selection_code: 0x63}]", "quirks[0].one_selection_code: 99 is not one of 0x53, 0x73"),
    ],
)
def test_mistake_is_one_line(quirks: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as error:
        catalogue.load_file(device(tmp_path, quirks))
    (line,) = str(error.value).splitlines()
    assert line.split(" ", 1)[1] == says


def test_quirk_that_decides_what_behaviour_decides_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"'no_test_address' contradicts behaviour.test_address: both decide"):
        catalogue.load_file(device(tmp_path, "[no_test_address]", "behaviour: {test_address: true}\n"))


def test_meter_of_a_bus_file_has_the_quirks_of_its_device_too(tmp_path: Path) -> None:
    (meter,) = bus(tmp_path, "quirks: [hex_id, {slow: 3s}]", "[no_test_address, slow]").meters
    assert [each.name for each in meter.quirks.used] == ["no_test_address", "slow", "hex_id"]
    assert meter.response_delay == (3 * 10**9, 3 * 10**9)
    assert (meter.settings.test_address, meter.identification) == (False, "1234567E")


@pytest.mark.parametrize("entry", ["quirks: [late]", "quirks: [slow_after_idle], response_delay: 5ms"])
def test_quirk_of_a_bus_file_that_contradicts_its_device_is_a_mistake(entry: str, tmp_path: Path) -> None:
    if "response_delay" in entry:
        with pytest.raises(DefinitionError, match=r"'slow' contradicts response_delay: both decide response_delay"):
            bus(tmp_path, entry, "[slow]")
    else:
        with pytest.raises(DefinitionError, match=r"bus.yaml:3:\d+ meters\[0\].quirks: 'late' contradicts 'slow'"):
            bus(tmp_path, entry, "[slow]")


def test_wrong_quirk_in_python_is_a_usage_error(tmp_path: Path) -> None:
    own = catalogue.load_file(device(tmp_path))
    with pytest.raises(MBusUsageError, match=r"quirks\.0: there is no quirk 'slo', did you mean 'slow'\?"):
        Meter(own, quirks=["slo"])
    with pytest.raises(MBusUsageError, match=r"quirks\.0\.slow\.delay: 2 has no unit"):
        Meter(own, quirks=[{"slow": 2}])


def test_meter_without_quirks_is_a_plain_slave(tmp_path: Path) -> None:
    (own,) = VirtualBus([Meter(catalogue.load_file(device(tmp_path)))]).slaves
    assert type(own.link) is SlaveLink
    assert own.link.application.device is own.meter
    assert VirtualBus([own.meter]).interference is None


def test_meters_with_the_same_quirks_share_what_is_compiled(tmp_path: Path) -> None:
    own = catalogue.load_file(device(tmp_path))
    one, other = (Meter(own, quirks=["more_for_nothing"]) for _ in range(2))
    assert one.device is other.device is not own
    assert Meter(own).device is own


def test_checks_judge_a_device_with_its_quirks(tmp_path: Path) -> None:
    recorded = "68 16 16 68 08 00 72 78 56 34 12 00 00 02 03 00 00 00 00 0C 13 27 04 85 02 1F 83 16"
    text = f"checks: [{{telegram: '{recorded}', records: [2850.427]}}]\n"
    assert failures(catalogue.load_file(device(tmp_path, "[manufacturer_empty, more_for_nothing]", text))) == []
    (identity,) = failures(catalogue.load_file(device(tmp_path, "[more_for_nothing]", text)))
    assert "manufacturer" in identity
    (ending,) = failures(catalogue.load_file(device(tmp_path, "[manufacturer_empty]", text)))
    assert "behind the last record" in ending


def test_quirk_on_the_wire_cannot_be_disarmed_and_is_the_cause_in_the_trace(tmp_path: Path) -> None:
    line = VirtualBus([Meter(catalogue.load_file(device(tmp_path)), address=5, quirks=["junk_before"])], speed=1)
    events = []
    line.trace = events.append
    line.faults.clear()
    assert len(line.faults) == 0
    port = line.open_port()
    line.receive(port, bytes.fromhex("10 7B 05 80 16"), 0)
    while (due := line.next_wakeup()) is not None:
        line.poll(due)
    assert {event.cause for event in events if event.source == "slave 5"} == {("quirk junk_before",)}


@pytest.mark.parametrize("name", QUIRKS)
def test_row_says_what_and_who(name: str) -> None:
    row = QUIRKS[name]
    assert row.what.endswith(".")
    assert "\n" not in row.what + row.source
    assert row.source == NO_SOURCE or SOURCE.search(row.source)
    assert quirks_of([{name: dict(row.written)}])[0].change().settings == row.build(**row.defaults).settings


def test_contradiction_is_seen_whatever_the_order() -> None:
    for first in QUIRKS:
        for second in QUIRKS:
            pair, turned = ([*quirks_of([first]), *quirks_of([second])], [*quirks_of([second]), *quirks_of([first])])
            assert bool(contradictions(pair)) == bool(contradictions(turned))


def test_documentation_has_every_row_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for title, rows in GROUPS.items():
        part = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
        shown = [line for line in part.splitlines() if line.startswith("| `")]
        assert shown == [_row(row) for row in rows]


def _row(row: Quirk) -> str:
    options = written_options(row.written)
    return f"| `{row.name}` | {row.what} | {f'`{options}`' if options else ''} | {row.source} |"


def test_bus_file_of_the_documentation_is_a_bus(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "bus.yaml"
    path.write_text(block, encoding="utf-8")
    assert len(VirtualBus.from_yaml(path).meters) == 2
    path.write_text(block.replace("two_resets_needed, answers_as_0", "answers_as_0, answers_as_253"), encoding="utf-8")
    with pytest.raises(DefinitionError) as error:
        VirtualBus.from_yaml(path)
    (line,) = re.findall(r"^```text\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert str(error.value).endswith(line)


def test_command_lists_every_quirk() -> None:
    table = invoke("quirks").stdout
    assert [name for name in QUIRKS if f"\n{name} " not in table] == []
    assert invoke("quirks", "slow").stdout.splitlines()[-1] == "options: delay: 1200ms"
    assert "did you mean 'slow'?" in invoke("quirks", "slwo").stderr
