"""What `import` takes: hex, logs, traces, XML; and what it says to what it cannot read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.codec.header import LongHeader
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import MBusUsageError
from mbusbench.master.libmbus_xml import libmbus_xml
from mbusbench.meter.checks import failures
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.recording.anonymity import Anonymity
from mbusbench.recording.files import Options, RecordedBus, recorded_bus, write
from mbusbench.recording.sources import read_recording
from mbusbench.recording.survey import survey
from tests.outside.corpus import recorded_telegrams

WATER = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"
LATER = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 56 00 00 00 03 13 79 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 7D 16"
GAS = (
    "68 20 20 68 08 FD 72 78 56 34 12 93 15 33 03 2A 00 00 00 0C 14 27 04 85 02 04 6D 32 37 1F 15 02 FD 17 00 00 89 16"
)


def imported(text: str, **options: object) -> RecordedBus:
    recording = read_recording(text.encode(), "input")
    return recorded_bus(survey(recording.events, timed=recording.timed), Options(**options))  # type: ignore[arg-type]


def served(recorded: RecordedBus, directory: Path) -> VirtualBus:
    write(recorded, directory, force=False)
    return VirtualBus.from_yaml(directory / "bus.yaml")


FOLDED = "\n".join(WATER[start : start + 24] for start in range(0, len(WATER), 24))
LOGS = {
    "hex": WATER,
    "hex with comments": f"# a water meter\n{WATER}  // read today",
    "no blanks": WATER.replace(" ", ""),
    "with 0x": "0x" + WATER.replace(" ", ", 0x"),
    "folded": FOLDED,
    "arrows": f"> 10 40 02 42 16\n< E5\n> 10 7B 02 7D 16\n< {WATER}",
    "long arrows with times": f"10:00:01.5 --> 10 7B 02 7D 16\n10:00:01.7 <-- {WATER}",
    "libmbus -d": f"[2026-01-01 10:00:00Z] SEND (005): 10 7B 02 7D 16\n[2026-01-01 10:00:01Z] RECV (037): {WATER}",
    "pyMeterBus": f"SEND (005) 10 7B 02 7D 16\nRECV (037) {WATER}",
    "a logger": "2026-01-01 10:00:00,123 DEBUG meter.bus: TX: 107B027D16\n"
    f"2026-01-01 10:00:00,423 DEBUG meter.bus: RX: {WATER}",
    "offsets": "00000000  68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55  |h..h|\n"
    "00000010  00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04  |....|\n"
    "00000020  37 18 02 18 16                                   |7....|",
    "answer in pieces": f"> 10 7B 02 7D 16\n< {WATER[:50]}\n{WATER[51:]}",
    "noise around": f"> 10 7B 02 7D 16\n< 00 44\n< {WATER}\nconnection closed",
}


@pytest.mark.parametrize("text", LOGS.values(), ids=list(LOGS))
def test_log_becomes_a_bus_that_answers_the_same(text: str, tmp_path: Path) -> None:
    bus = served(imported(text), tmp_path / "bus")
    assert [meter.address for meter in bus.meters] == [2]
    assert bus.meters[0].link.receive(ShortFrame(0x7B, 2), 0) == decode_frame(bytes.fromhex(WATER))


def test_binary_capture_is_read(tmp_path: Path) -> None:
    recording = read_recording(bytes.fromhex(f"107B027D16 {WATER} {GAS}"), "capture.bin")
    assert [meter.identity.name for meter in survey(recording.events, timed=False)] == [
        "pad-water-12345678",
        "els-gas-12345678",
    ]


def test_two_readouts_give_a_rate_by_their_times() -> None:
    recorded = imported(f"10:00:00 > 10 7B 02 7D 16\n10:00:00 < {WATER}\n11:00:00 > 10 5B 02 5D 16\n11:00:00 < {LATER}")
    records = recorded.devices["pad-water-12345678.yaml"]["telegrams"][0]["records"]
    assert records[0]["value"] == {"counter": {"start": 12.565, "rate": 0.1}}


def test_two_readouts_give_a_rate_by_the_interval() -> None:
    recorded = imported(f"{WATER}\n{LATER}", interval=2 * 3600 * 10**9)
    records = recorded.devices["pad-water-12345678.yaml"]["telegrams"][0]["records"]
    assert records[0]["value"] == {"counter": {"start": 12.565, "rate": 0.05}}


def test_without_times_a_changed_value_stays_and_is_told() -> None:
    recorded = imported(f"{WATER}\n{LATER}")
    assert recorded.notes == ["pad-water-12345678: telegrams[0] record 0 (volume) changed, and stays as it was first"]


def test_anonymous_import_names_the_meter_nowhere() -> None:
    data = (
        "78563412 2440 01 07 55 00 0000 0C78 78563412 0DFD1105 6874696D53 0413 15310000"
        "0F 0102 78563412 3132333435363738"
    )
    frame = LongFrame(0x08, 2, 0x72, bytes.fromhex(data))
    text = frame.encode().hex()
    first, again = (imported(text, anonymity=Anonymity(b"key")).texts() for _ in range(2))
    other = imported(text, anonymity=Anonymity(b"another")).texts()
    assert first == again != other
    whole = "".join(first.values())
    for trace in ("12345678", "78 56 34 12", "31 32 33 34 35 36 37 38", "Smith", "53 6D 69 74 68"):
        assert trace not in whole
    ((name, device),) = imported(text, anonymity=Anonymity(b"key")).devices.items()
    new = device["device"]["id"]
    assert name == f"pad-water-{new}.yaml"
    assert device["telegrams"][0]["records"][0]["value"] in (int(new), new)


def test_xml_of_libmbus_is_rebuilt_by_values() -> None:
    telegrams = [decode_frame(bytes.fromhex(each["hex"])) for each in recorded_telegrams()]
    answers = [frame for frame in telegrams if isinstance(frame, LongFrame) and frame.ci == 0x72]
    assert len(answers) > 5
    for frame in answers:
        telegram = Telegram.decode(frame.ci, frame.data)
        if telegram.encrypted:
            continue
        recording = read_recording(libmbus_xml([telegram]).encode("ascii"), "meter.xml")
        (meter,) = survey(recording.events, timed=False)
        rebuilt = [Telegram.decode(each.ci, each.data) for each in meter.readouts[0].frames]
        header = rebuilt[0].header
        assert isinstance(header, LongHeader)
        assert isinstance(telegram.header, LongHeader)
        if not any("medium" in note for note in recording.notes):
            assert header == telegram.header
        assert replace(header, device_type=telegram.header.device_type) == telegram.header
        left_out = sum("left out" in note for note in recording.notes)
        assert sum(len(each.records) for each in rebuilt) == len(telegram.records) - left_out
        assert "built from values" in recording.notes[0]


def test_trace_of_ours_is_read_with_its_times(tmp_path: Path) -> None:
    bus = served(imported(LOGS["arrows"]), tmp_path / "bus")
    from mbusbench.trace.files import JsonlEncoder, encode
    from mbusbench.trace.recorder import Recorder

    recorder = Recorder()
    bus.trace = recorder.record
    bus.set_speed(1.0)
    port = bus.open_port()
    bus.receive(port, bytes.fromhex("107B027D16"), 0)
    bus.poll(10**9)
    recording = read_recording(encode(recorder.trace, JsonlEncoder()), "bus.jsonl")
    (meter,) = survey(recording.events, timed=True)
    assert recording.timed
    assert meter.delays
    assert recorded_bus([meter], Options()).bus["line"] == {"baud": 2400}


WRONG = {
    b"": "input: empty",
    b" \n": "input: empty",
    b"hello world": "input: neither a trace, nor XML, nor hex, nor frames as bytes",
    b"68 03 03 68 08 01 70": "input: no whole telegram of a slave in it (the first bytes that are no frame: truncated)",
    b"68 03 03 68 08 01 70 78 16": (
        "input: no whole telegram of a slave in it (the first bytes that are no frame: checksum)"
    ),
    b"10 5B 01 5C 16\nE5": "input: no whole telegram of a slave in it: only requests and acknowledgements",
    b"\x00\x01\x02" * 50: "input: no whole telegram of a slave in it (the first bytes that are no frame: start)",
    b"<MBusData/>": "input: XML without SlaveInformation does not say which meter it is of",
    b"<html></html>": "input: XML of libmbus begins with MBusData, not with html",
    b"<MBusData>": "input: no valid XML: no element found: line 1, column 10",
    b'<!DOCTYPE x [<!ENTITY a "b">]><MBusData/>': "input: XML with declarations of its own is not read",
    b"\x0a\x0d\x0d\x0a\x00\x00": "input: pcapng is written for Wireshark, not read: give the .jsonl of the same trace",
    b'{"format":"mbusbench-trace"}': "input:1: version None of the format is not known, only 1",
    bytes(17 * 2**20): "input: larger than 16 MiB: cut out what is of interest",
}


@pytest.mark.parametrize(("data", "line"), WRONG.items(), ids=[repr(data[:12]) for data in WRONG])
def test_hostile_input_gives_one_clear_line(data: bytes, line: str) -> None:
    with pytest.raises(MBusUsageError) as error:
        read_recording(data, "input")
    assert str(error.value) == line


def test_files_are_not_written_over(tmp_path: Path) -> None:
    recorded = imported(WATER)
    write(recorded, tmp_path, force=False)
    with pytest.raises(MBusUsageError, match=r"pad-water-12345678\.yaml is there already: --force writes over it"):
        write(recorded, tmp_path, force=False)
    write(recorded, tmp_path, force=True)


KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
SECURED = """
format: 1
device: {{manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5, access_number: 17,
         security: {mode}, key: 000102030405060708090A0B0C0D0E0F}}
telegrams:
  - records:
      - {{vif: volume, unit: m3, scale: -3, code: int32, value: 1.234}}
      - {{vif: fabrication_number, code: bcd8, value: 12345678}}
"""


def encrypted(tmp_path: Path, mode: int) -> LongFrame:
    path = tmp_path / "secured.yaml"
    path.write_text(SECURED.format(mode=mode), encoding="utf-8")
    frame = Meter(Device.from_file(path)).link.receive(ShortFrame(0x7B, 5), 0)
    assert isinstance(frame, LongFrame)
    return frame


@pytest.mark.parametrize("mode", [5, 7])
def test_encrypted_telegram_without_key_is_kept_whole(mode: int, tmp_path: Path) -> None:
    frame = encrypted(tmp_path, mode)
    bus = served(imported(frame.encode().hex()), tmp_path / "bus")
    assert "data" in bus.meters[0].device.telegrams[0].model_fields_set
    assert bus.meters[0].link.receive(ShortFrame(0x7B, 5), 0) == frame


@pytest.mark.parametrize("mode", [5, 7])
def test_encrypted_telegram_with_key_has_records_and_is_encrypted_again(mode: int, tmp_path: Path) -> None:
    frame = encrypted(tmp_path, mode)
    recorded = imported(frame.encode().hex(), key=KEY)
    ((_, data),) = recorded.devices.items()
    assert [record["value"] for record in data["telegrams"][0]["records"]] == [1.234, 12345678]
    assert data["device"]["security"] == mode
    bus = served(recorded, tmp_path / "bus")
    assert bus.meters[0].link.receive(ShortFrame(0x7B, 5), 0) == frame
    assert failures(bus.meters[0].device) == []


def test_anonymous_import_drops_the_key(tmp_path: Path) -> None:
    recorded = imported(encrypted(tmp_path, 5).encode().hex(), key=KEY, anonymity=Anonymity(b"key"))
    assert KEY.hex() not in "".join(recorded.texts().values())
    ((_, data),) = recorded.devices.items()
    assert data["telegrams"][0]["records"][0]["value"] == 1.234
    assert "12345678" not in recorded.texts()["bus.yaml"]
    assert recorded.notes == []
