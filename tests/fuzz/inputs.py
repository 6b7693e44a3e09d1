"""Inputs that no meter sends: random bytes, and telegrams damaged in every way that a line, a gateway or a bug can.

All from one seed: the same seed gives the same inputs on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from tests.telegrams import LONG_HEADER, long_frame

#: Octets that mean something at many places: lengths, starts, DIFs, VIFs, extension bits.
SPECIAL = bytes.fromhex(
    "00010f1f2f3f7f8f0d0c0b0a090e0506070468 6616e5a2ff fbfdfcfe7c7b7d7e80c0d0e0f0f4f5f672737677785153"
)

CI_FIELDS = (0x72, 0x72, 0x72, 0x73, 0x76, 0x77, 0x78, 0x7A, 0x70, 0x71, 0x6E, 0x74, 0x75, 0x51, 0x5A, 0x5B, 0x50, 0x52)

#: Data of every length whose meaning is not that of a number.
ODD_VALUES = (b"\xff", b"\x00", b"\x80", b"\x7f", b"\xf0", b"\x0f", b"\xfa", b"\xa9", b"\x99", b"\xc0", b"\x3f")


class Inputs:
    """Endless inputs, each with the name of the way it was made."""

    def __init__(self, seed: int, frames: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self.frames = [frame for frame in frames if frame]
        self.long = [frame for frame in self.frames if frame[:1] == b"\x68" and len(frame) > 21]
        self.kinds: dict[str, Callable[[], bytes]] = {
            "random bytes": self.random_bytes,
            "random data in a good frame": self.random_data,
            "damaged frame": self.damaged,
            "damaged data in a good frame": self.damaged_data,
            "other values": self.other_values,
            "spliced telegrams": self.spliced,
            "cut telegram": self.cut,
            "random records": self.random_records,
            "stream of frames and junk": self.stream,
        }

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        names = tuple(self.kinds)
        while True:
            name = self.random.choice(names)
            yield name, self.kinds[name]()

    def octets(self, low: int, high: int) -> bytes:
        return self.random.randbytes(self.random.randint(low, high))

    def random_bytes(self) -> bytes:
        start = self.random.choice((b"", b"", b"\x68", b"\x10", b"\xe5", b"\x68\x03\x03\x68", b"\x68\x20\x20\x68"))
        return start + self.octets(0, self.random.choice((4, 20, 300)))

    def random_data(self) -> bytes:
        header = self.random.choice((b"", LONG_HEADER))
        return long_frame(header + self.octets(0, 240), ci=self.random.choice(CI_FIELDS))

    def _mutate(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            if not changed:
                break
            place = self.random.randrange(len(changed))
            way = self.random.randrange(6)
            if way == 0:
                changed[place] ^= 1 << self.random.randrange(8)
            elif way == 1:
                changed[place] = self.random.randrange(256)
            elif way == 2:
                changed[place] = self.random.choice(SPECIAL)
            elif way == 3:
                del changed[place : place + self.random.choice((1, 1, 2, 5))]
            elif way == 4:
                changed[place:place] = self.random.choices(SPECIAL, k=self.random.choice((1, 1, 2, 12)))
            else:
                length = self.random.randrange(1, 12)
                changed[place:place] = changed[place : place + length]
        return bytes(changed)

    def damaged(self) -> bytes:
        return self._mutate(self.random.choice(self.frames))

    def damaged_data(self) -> bytes:
        frame = self.random.choice(self.long)
        ci = frame[6] if self.random.random() < 0.9 else self.random.choice(CI_FIELDS)
        start = self.random.choice((0, 12, 12, 12))
        data = frame[7:-2]
        return long_frame((data[:start] + self._mutate(data[start:]))[:252], ci=ci)

    def other_values(self) -> bytes:
        """The same structure as far as a look at it tells; only octets that are probably data change."""
        data = bytearray(self.random.choice(self.long)[7:-2])
        for _ in range(self.random.randint(1, 6)):
            place = self.random.randrange(min(14, len(data) - 1), len(data))
            value = self.random.choice(ODD_VALUES) * self.random.choice((1, 1, 2, 4))
            data[place : place + len(value)] = value[: len(data) - place]
        return long_frame(bytes(data))

    def spliced(self) -> bytes:
        first, second = self.random.choice(self.long)[7:-2], self.random.choice(self.long)[19:-2]
        joined = first[: self.random.randrange(12, len(first) + 1)] + second[self.random.randrange(len(second) + 1) :]
        return long_frame(joined[:252])

    def cut(self) -> bytes:
        data = self.random.choice(self.long)[7:-2]
        return long_frame(data[: self.random.randrange(len(data))], ci=self.random.choice(CI_FIELDS[:6]))

    def random_records(self) -> bytes:
        """Well-formed record headers with any DIF, DIFEs, VIF and VIFEs, and data as long as the DIF says."""
        lengths = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)
        parts = [LONG_HEADER]
        for _ in range(self.random.randint(1, 12)):
            dif = self.random.randrange(256)
            field = dif & 0xF
            if field == 0xF:
                dif = field = 0x0D
            head = bytes([dif]) + self._chain(dif, (0, 1, 1, 2, 4, 10))
            vif = self.random.choice((self.random.randrange(256), 0xFB, 0xFD, 0xFC, 0x7C))
            head += bytes([vif])
            if vif & 0x7F == 0x7C:
                text = self.random.choice((b"HR%", b"\x01\x02\xff", b"hWk", b""))
                head += bytes([len(text)]) + text
            head += self._chain(vif, (0, 1, 1, 2, 4, 10))
            if field == 0xD:
                first = self.random.choice((0, 1, 5, 17, 0xC2, 0xC9, 0xD1, 0xE4, 0xEF, 0xF0, 0xF4, 0xCA, 0xFF))
                size = {0xF0: 16, 0xF4: 32}.get(first, first & 0xF if first > 0xBF else first)
                data = bytes([first]) + self.random.randbytes(size)
            else:
                odd = self.random.choice((*ODD_VALUES, b""))
                data = odd * lengths[field] if odd else self.random.randbytes(lengths[field])
            parts.append(head + data)
        return long_frame(b"".join(parts)[:252])

    def _chain(self, first: int, counts: Sequence[int]) -> bytes:
        if not first & 0x80:
            return b""
        chain = bytearray(self.random.randrange(128) | 0x80 for _ in range(self.random.choice(counts)))
        chain.append(self.random.randrange(128))
        return bytes(chain)

    def stream(self) -> bytes:
        parts = []
        for _ in range(self.random.randint(1, 4)):
            parts.append(self.random.choice(self.frames))
            if self.random.random() < 0.6:
                parts.append(self.octets(0, 12))
        return b"".join(parts)
