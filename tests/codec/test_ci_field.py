from __future__ import annotations

from collections.abc import Iterable

import pytest

from mbusbench.codec import application_errors, ci_field, device_type
from mbusbench.codec.tables.application_errors import APPLICATION_ERROR_ROWS
from mbusbench.codec.tables.ci import CI_ROWS, FROM_SLAVE, TO_SLAVE
from mbusbench.codec.tables.device_types import ALIASES, DEVICE_TYPE_ROWS


def covered(ranges: Iterable[tuple[int, int]]) -> list[int]:
    return [code for first, last in ranges for code in range(first, last + 1)]


def test_rows_cover_every_code_once() -> None:
    assert covered((row.first, row.last) for row in CI_ROWS) == list(range(256))
    assert covered((first, last) for first, last, _ in APPLICATION_ERROR_ROWS) == list(range(256))


@pytest.mark.parametrize(
    ("ci", "kind"),
    [
        (0x50, "none"),
        (0x51, "none"),
        (0x52, None),
        (0x5A, "short"),
        (0x5B, "long"),
        (0x6E, "short"),
        (0x6F, "long"),
        (0x70, "none"),
        (0x71, "none"),
        (0x72, "long"),
        (0x73, "fixed"),
        (0x76, "long"),
        (0x77, "fixed"),
        (0x78, "none"),
        (0x7A, "short"),
        (0xB1, None),
        (0xBB, "none"),
        (0xFF, None),
    ],
)
def test_header_kind(ci: int, kind: str | None) -> None:
    assert ci_field.header_kind(ci) == kind


@pytest.mark.parametrize(
    ("ci", "text"),
    [
        (0x72, "variable data, long header"),
        (0xBB, "set baud rate 2400"),
        (0xA0, "manufacturer specific"),
        (0x20, "reserved"),
        (0x70, "application error"),
    ],
)
def test_description(ci: int, text: str) -> None:
    assert ci_field.describe(ci) == text


def test_directions() -> None:
    assert ci_field.row(0x51).direction == TO_SLAVE
    assert ci_field.row(0x72).direction == FROM_SLAVE
    assert ci_field.row(0x72).wired
    assert not ci_field.row(0x8C).wired


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "unspecified error"),
        (8, "application too busy"),
        (9, "too many readouts"),
        (0x10, "reserved"),
        (0xF0, "dynamic error, told by the record that follows"),
        (0xFF, "manufacturer specific error"),
    ],
)
def test_application_errors(code: int, text: str) -> None:
    assert application_errors.describe(code) == text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("heat", 4),
        ("water", 7),
        ("electricity", 2),
        ("gas", 3),
        ("heat_inlet", 0x0C),
        ("hot_water", 0x15),
        ("heat_outlet", 4),
        ("wildcard", 0xFF),
        ("reserved_2a", 0x2A),
    ],
)
def test_device_type_of_a_name(name: str, code: int) -> None:
    assert device_type.code(name) == code


def test_every_device_type_has_a_name_that_leads_back() -> None:
    assert [device_type.code(device_type.name(code)) for code in range(256)] == list(range(256))


def test_names_of_real_devices_only() -> None:
    names = device_type.names()
    assert names[:3] == ("other", "oil", "electricity")
    assert "wildcard" not in names
    assert not set(ALIASES) & set(names)
    assert len({code for code, _, _ in DEVICE_TYPE_ROWS}) == len(DEVICE_TYPE_ROWS) == len(names) + 1


def test_unknown_device_type() -> None:
    assert device_type.code("hot_air") is None
    assert device_type.describe(4) == "heat, volume measured in the return (outlet)"
    assert device_type.describe(0x43) == "reserved 43"
