"""Durations that depend on the baud rate: `341bits + 50ms`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator

from mbusbench.definition.fields import duration
from mbusbench.definition.validation import mistake, shown
from mbusbench.timing import bit_time

_BITS = re.compile(r"([0-9]{1,6}) ?bits?")


class LineDuration:
    """A sum of bit times and times."""

    __slots__ = ("_bits", "_time", "text")

    def __init__(self, text: str) -> None:
        """ValueError where it is none."""
        self.text = text
        self._bits = self._time = 0
        for term in re.split(r"\+", text):
            bits = _BITS.fullmatch(term.strip())
            time = None if bits else duration(term)
            if bits:
                self._bits += int(bits[1])
            elif time is not None:
                self._time += time
            else:
                raise ValueError(f"{shown(text)} is not a time such as 33bits, 50ms or 341bits + 50ms")

    def at(self, baud: int) -> int:
        """In ns."""
        return bit_time(baud, self._bits) + self._time

    def __repr__(self) -> str:
        return self.text


def _convert(value: object) -> LineDuration:
    if isinstance(value, LineDuration):
        return value
    try:
        return LineDuration(str(value))
    except ValueError as error:
        raise mistake(str(error)) from None


Span = Annotated[LineDuration, PlainValidator(_convert)]
