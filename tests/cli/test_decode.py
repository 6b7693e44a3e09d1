"""`mbusbench decode`: what it shows of good and bad input, and how it finds frames in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.frames import FIXED_DATA, REQUEST, SELECTION, VARIABLE_DATA, with_checksum
from tests.cli.invoking import invoke


def decoded(*arguments: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    result = invoke("decode", "--json", *arguments, stdin=stdin)
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_table_shows_values_in_units_with_storage_tariff_and_function() -> None:
    result = invoke("decode", VARIABLE_DATA)
    assert result.code == 0
    rows = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines()}
    assert rows["Volume"] == ["Volume", "12.565", "m³"]
    assert rows["Volume flow"] == ["Volume", "flow", "0.113", "m³/h", "5", "maximum"]
    assert rows["Energy"] == ["Energy", "218.37", "kWh", "2", "1"]


@pytest.mark.parametrize("separator", ["", " ", ":", ", "])
def test_hex_is_read_with_any_separator(separator: str) -> None:
    text = VARIABLE_DATA.replace(" ", separator)
    assert decoded(text)[0]["reading"]["serial_number"] == "12345678"


def test_hex_bytes_may_be_separate_arguments() -> None:
    assert decoded(*REQUEST.split())[0]["control_name"] == "REQ_UD2 fcb=0"


def test_frames_and_junk_come_out_in_order_with_their_offsets() -> None:
    found = decoded(f"{SELECTION} E5 00 {REQUEST}")
    assert [(item["offset"], item["frame"]) for item in found] == [
        (0, "long"),
        (17, "single"),
        (18, "reject"),
        (19, "short"),
    ]


def test_junk_makes_the_exit_code_one() -> None:
    assert invoke("decode", f"{REQUEST} 00").code == 1
    assert invoke("decode", REQUEST).code == 0


def test_wrong_checksum_is_named() -> None:
    result = invoke("decode", "10 5B 05 61 16")
    assert result.code == 1
    assert "wrong checksum" in result.stdout


def test_record_that_is_cut_off_is_a_diagnostic_and_the_records_before_it_stay() -> None:
    result = invoke(
        "decode", "--json", with_checksum("08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 04 06 01")
    )
    shown = json.loads(result.stdout)
    assert result.code == 1
    assert [record["value"] for record in shown["reading"]["records"]] == [12.565]
    assert "byte 27" in shown["reading"]["diagnostics"][0]


def test_header_that_is_cut_off_is_an_error_with_layer_and_offset() -> None:
    result = invoke("decode", "--json", with_checksum("08 02 72 78 56"))
    error = json.loads(result.stdout)["error"]
    assert result.code == 1
    assert (error["layer"], error["offset"]) == ("application", 9)


def test_command_of_a_master_is_named_with_its_mask() -> None:
    shown = decoded(SELECTION)[0]
    assert shown["ok"]
    assert shown["command"] == {"name": "select", "mask": "12345678FFFFFFFF", "fabrication": None}


def test_fixed_data_structure_has_records() -> None:
    assert [record["value"] for record in decoded(FIXED_DATA)[0]["reading"]["records"]] == [0.001, 0.135]


def test_text_file_has_a_frame_on_each_line_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(f"# two frames\n{VARIABLE_DATA}  # first\n\n{REQUEST}\n")
    assert [item["frame"] for item in decoded(str(path))] == ["long", "short"]


def test_frame_that_is_cut_off_does_not_swallow_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(f"{VARIABLE_DATA[:-12]}\n{REQUEST}\n")
    assert decoded(str(path))[-1]["frame"] == "short"


def test_folded_hex_dump_is_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    path.write_text("\n".join((VARIABLE_DATA[:48], VARIABLE_DATA[48:])))
    assert [item["frame"] for item in decoded(str(path))] == ["long"]


def test_binary_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "capture.bin"
    path.write_bytes(bytes.fromhex(VARIABLE_DATA + REQUEST + "E5"))
    assert [item["frame"] for item in decoded(str(path))] == ["long", "short", "single"]


def test_dash_reads_standard_input() -> None:
    assert decoded("-", stdin=REQUEST.encode())[0]["address"] == 5
    assert decoded("-", stdin=bytes.fromhex(REQUEST))[0]["address"] == 5


def test_encrypted_telegram_without_key_says_so_and_shows_no_records() -> None:
    frame = with_checksum("08 05 72 78 56 34 12 24 40 01 07 55 00 10 05" + "A5" * 16)
    result = invoke("decode", "--json", frame)
    shown = json.loads(result.stdout)
    assert result.code == 1
    assert shown["reading"]["encrypted"]
    assert shown["reading"]["records"] == []


def test_key_opens_an_encrypted_telegram() -> None:
    from mbusbench.codec.header import LongHeader
    from mbusbench.codec.security import encrypt

    key = bytes(range(16))
    header = LongHeader.decode(bytes.fromhex("78563412 2440 01 07 55 00 1005"))
    body = encrypt(header, bytes.fromhex("2F2F 0313153100" + "2F" * 9), key)
    frame = with_checksum("08 05 72" + header.encode().hex() + body.hex())
    for given in ({"key": key.hex()}, {"MBUSBENCH_KEY": key.hex()}):
        arguments = ("--key", given["key"]) if "key" in given else ()
        result = invoke("decode", "--json", frame, *arguments, environment=given)
        assert json.loads(result.stdout)["reading"]["records"][0]["value"] == 12.565


def test_text_from_a_meter_cannot_steer_the_terminal() -> None:
    # An LVAR text of ESC [ 2 J, as the customer's location.
    frame = with_checksum("08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 0D FD 10 04 4A 32 5B 1B")
    result = invoke("decode", frame)
    assert "[2J" in result.stdout
    assert "\x1b" not in result.stdout
