"""`mbusbench encode`: the inverse of `decode --json`, frames from fields, and short frames by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.frames import FIXED_DATA, REQUEST, SELECTION, VARIABLE_DATA, with_checksum
from tests.cli.invoking import invoke

FRAMES = {
    "variable data": VARIABLE_DATA,
    "fixed data": FIXED_DATA,
    "selection": SELECTION,
    "request": REQUEST,
    "acknowledgement": "E5",
    "idle fillers": with_checksum("08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 2F 03 13 15 31 00 2F 2F"),
    "cut record": with_checksum("08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15"),
    "manufacturer data": with_checksum("08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 0F 01 02"),
    "encrypted": with_checksum("08 05 72 78 56 34 12 24 40 01 07 55 00 10 05" + "A5" * 16),
    "unknown CI": with_checksum("08 02 99 01 02 03"),
    "control frame": with_checksum("53 05 B8"),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_encode_gives_back_what_decode_read(frame: str) -> None:
    shown = invoke("decode", "--json", frame).stdout
    again = invoke("encode", "-", stdin=shown.encode())
    assert again.code == 0
    assert bytes.fromhex(again.stdout) == bytes.fromhex(frame)


def test_several_frames_come_back_in_order() -> None:
    shown = invoke("decode", "--json", VARIABLE_DATA + SELECTION + REQUEST).stdout
    assert bytes.fromhex(invoke("encode", "-", stdin=shown.encode()).stdout) == bytes.fromhex(
        VARIABLE_DATA + SELECTION + REQUEST
    )


@pytest.mark.parametrize("frame", [VARIABLE_DATA, FRAMES["manufacturer data"]])
def test_header_and_records_are_enough_without_the_data(frame: str) -> None:
    fields = json.loads(invoke("decode", "--json", frame).stdout)
    for name in ("data", "hex", "control_name", "ci_name"):
        del fields[name]
    again = invoke("encode", "-", stdin=json.dumps(fields).encode())
    assert bytes.fromhex(again.stdout) == bytes.fromhex(frame)


def test_hex_of_the_object_is_not_what_encode_prints() -> None:
    fields = json.loads(invoke("decode", "--json", REQUEST).stdout)
    fields["address"] = 6
    assert invoke("encode", "-", stdin=json.dumps(fields).encode()).stdout == "10 5B 06 61 16\n"


def test_records_may_be_written_as_in_a_device_file(tmp_path: Path) -> None:
    path = tmp_path / "frame.json"
    header = {"identification": "12345678", "manufacturer": "PAD", "version": 1, "device_type": 7, "access_number": 85}
    records = [
        {"vif": "volume", "unit": "m3", "scale": -3, "code": "int24", "value": 12.565},
        {"dib": "DA 02", "vib": "3B", "value": 113},
        {"vif": "energy", "unit": "kWh", "scale": -2, "code": "bcd6", "tariff": 2, "subunit": 1, "value": 218.37},
    ]
    path.write_text(json.dumps({"address": 2, "header": header, "records": records}))
    frame = invoke("encode", str(path)).stdout
    decoded = json.loads(invoke("decode", "--json", frame).stdout)
    assert [record["value"] for record in decoded["reading"]["records"]] == [12.565, 0.113, 218.37]
    assert decoded["reading"]["records"][2]["tariff"] == 2


def test_binary_output_is_the_bytes() -> None:
    import subprocess

    from tests.cli.running import COMMAND, environment

    done = subprocess.run(
        [*COMMAND, "encode", "snd-nke", "5", "--binary"], capture_output=True, env=environment(), check=True
    )
    assert done.stdout == bytes.fromhex("10 40 05 45 16")


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        (("snd-nke", "5"), "10 40 05 45 16"),
        (("request", "5"), "10 7B 05 80 16"),
        (("request", "--ud2", "5", "--fcb", "0"), "10 5B 05 60 16"),
        (("request", "--ud1", "254"), "10 7A FE 78 16"),
        (("select", "12345678FFFFFFFF", "--fcb", "0"), SELECTION),
    ],
)
def test_frame_by_name(arguments: tuple[str, ...], frame: str) -> None:
    assert invoke("encode", *arguments).stdout == frame + "\n"


def test_reject_is_left_out_and_makes_the_exit_code_one() -> None:
    shown = invoke("decode", "--json", f"00 {REQUEST}").stdout
    again = invoke("encode", "-", stdin=shown.encode())
    assert (again.code, again.stdout) == (1, REQUEST + "\n")
    assert "object 1 is no frame (start)" in again.stderr
