"""The code in an application error (CI 70, 6E, 6F) in words."""

from __future__ import annotations

from mbusbench.codec.tables.application_errors import APPLICATION_ERROR_ROWS

_TEXTS = tuple(text for first, last, text in APPLICATION_ERROR_ROWS for _ in range(first, last + 1))


def describe(code: int) -> str:
    """Short text of a code, 0 to 255: 8 is "application too busy"."""
    return _TEXTS[code]
