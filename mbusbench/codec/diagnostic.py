"""What a decoder found wrong in bytes that it could still use: data, not an exception."""

from __future__ import annotations

from dataclasses import dataclass

DATAGRAM_OFFSET = 7  # a long frame puts 68 L L 68 C A CI before its data


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """`layer` is "link", "security" or "application"; `offset` counts from the frame's first byte."""

    layer: str
    offset: int
    text: str

    def __str__(self) -> str:
        return f"{self.layer}, byte {self.offset}: {self.text}"
