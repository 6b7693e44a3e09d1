"""The CI field: what a frame is about, and which header stands behind it (EN 13757-7)."""

from __future__ import annotations

from typing import Literal, cast

from mbusbench.codec.tables.ci import CI_ROWS, TO_SLAVE, CIRow

__all__ = ["TO_SLAVE", "CIRow", "HeaderKind", "describe", "header_kind", "row"]

HeaderKind = Literal["none", "short", "long", "fixed"]

_ROWS = tuple(row for row in CI_ROWS for _ in range(row.first, row.last + 1))


def row(ci: int) -> CIRow:
    """What the tables say of a code, 0 to 255."""
    return _ROWS[ci]


def describe(ci: int) -> str:
    """Short text, for example "variable data, long header"; "reserved" where the code means nothing."""
    return _ROWS[ci].text


def header_kind(ci: int) -> HeaderKind | None:
    """The header behind the CI field; None where it is something else, or not known. CI 73 is taken as fixed data."""
    return cast("HeaderKind | None", _ROWS[ci].header)
