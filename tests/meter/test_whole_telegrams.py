"""Telegrams that are not CI 72 with a long header and records: with another header, or given whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.errors import DefinitionError
from mbusbench.meter import checks
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

HEADER = "format: 1\ndevice: {manufacturer: HYD, version: 1, medium: water, address: 5, access_number: 7, status: 16}\n"
VOLUME = "{vif: volume, unit: l, code: int8, value: 9}"


def device(tmp_path: Path, rest: str) -> Device:
    path = tmp_path / "device.yaml"
    path.write_text(HEADER + rest, encoding="utf-8")
    return Device.from_file(path)


def answers(device: Device, *controls: int) -> list[tuple[int, str]]:
    link = Meter(device).link
    frames = [link.receive(ShortFrame(control, 5), 0) for control in controls]
    assert all(isinstance(frame, LongFrame) for frame in frames)
    return [(frame.ci, frame.data.hex()) for frame in frames if isinstance(frame, LongFrame)]


def test_short_header_has_access_number_status_and_configuration(tmp_path: Path) -> None:
    found = answers(device(tmp_path, f"telegrams: [{{ci: 0x7A, records: [{VOLUME}]}}]"), 0x7B, 0x5B, 0x5B)
    assert found == [(0x7A, "07100000011309"), (0x7A, "08100000011309"), (0x7A, "08100000011309")]


def test_no_header_is_records_alone(tmp_path: Path) -> None:
    assert answers(device(tmp_path, f"telegrams: [{{ci: 0x78, records: [{VOLUME}]}}]"), 0x7B) == [(0x78, "011309")]


def test_data_is_sent_as_it_is_between_telegrams_of_records(tmp_path: Path) -> None:
    text = f"telegrams: [{{records: [{VOLUME}]}}, {{ci: 0xB7, data: 01 02}}, {{records: [{VOLUME}]}}]"
    first, second, third = answers(device(tmp_path, text), 0x7B, 0x5B, 0x7B)
    assert second == (0xB7, "0102")
    assert (first[1][16:18], third[1][16:18]) == ("07", "09")
    assert (first[1][-2:], third[1][-2:]) == ("1f", "09")


def test_bits_of_every_answer_are_in_its_c_field(tmp_path: Path) -> None:
    found = device(tmp_path, f"behaviour: {{response_bits: 0x20}}\ntelegrams: [{{records: [{VOLUME}]}}]")
    frame = Meter(found).link.receive(ShortFrame(0x7B, 5), 0)
    assert isinstance(frame, LongFrame)
    assert frame.control == 0x28


def test_date_without_the_hundreds_of_its_year(tmp_path: Path) -> None:
    record = "{vif: datetime, code: int32, year_hundreds: false, value: %s}"
    fixed = device(tmp_path, f"telegrams: [{{ci: 0x78, records: [{record % '2026-01-01T12:30'}]}}]")
    moving = device(tmp_path, f"telegrams: [{{ci: 0x78, records: [{record % '{clock: now}'}]}}]")
    assert answers(fixed, 0x7B) == [(0x78, "046d1e0c4131")]
    assert answers(moving, 0x7B) == [(0x78, "046d00004131")]


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ("68 05 05 68 08 05 B7 01 02 C7 16", None),
        ("68 05 05 68 08 05 B7 01 03 C8 16", "checks[0]: the telegram is not the data that the device has"),
        ("68 05 05 68 08 05 B6 01 02 C6 16", "checks[0]: the telegram is no answer with CI B7"),
    ],
)
def test_check_of_a_whole_telegram_compares_it(tmp_path: Path, frame: str, complaint: str | None) -> None:
    found = device(tmp_path, f"telegrams: [{{ci: 0xB7, data: 01 02}}]\nchecks: [{{telegram: {frame}}}]")
    assert checks.failures(found) == ([] if complaint is None else [complaint])


def test_check_of_a_telegram_with_idle_fillers_holds(tmp_path: Path) -> None:
    text = f"telegrams: [{{ci: 0x78, records: [{{raw: 2F 2F}}, {VOLUME}]}}]\n"
    check = "checks: [{telegram: 68 08 08 68 08 05 78 2F 2F 01 13 0A 01 16, records: [0.01]}]"
    assert checks.failures(device(tmp_path, text + check)) == []


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("telegrams: [{ci: 0x73, records: []}]", "CI 73 has no records (72, 78, 7A have): give its"),
        (f"telegrams: [{{ci: 0x73, data: 01, records: [{VOLUME}]}}]", "records does not go together with data"),
        ("telegrams: [{ci: 0x73, data: 01, more_records_follow: true}]", "more_records_follow does not go"),
        (f"telegrams: [{{data: '{'00' * 253}'}}]", "253 bytes, a telegram holds 252"),
        ("telegrams: [{ci: 0x172, data: 01}]", "3:18 telegrams[0].ci: 370 is not in 0..255"),
        ("behaviour: {response_bits: 0x40}\ntelegrams: [{records: []}]", "64 is not 0x20 (ACD), 0x10"),
        (
            "telegrams: [{records: [{vif: date, code: int16, year_hundreds: false, value: 2026-01-01}]}]",
            "only a date and time with code int32 has them",
        ),
        ("telegrams: [{records: [{vif: plain_text, code: int8, value: 1}]}]", "plain_text needs its text as unit"),
    ],
)
def test_mistake_is_one_line(tmp_path: Path, rest: str, line: str) -> None:
    with pytest.raises(DefinitionError) as error:
        device(tmp_path, rest)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
