"""A master's port on a bus at 2400 baud, in virtual time: what it receives, run by run, with exact times and errors.

The meters are the smallest that there can be, and take 5 ms to answer, always.
"""

from __future__ import annotations

from pathlib import Path

from mbusbench.bus import VirtualBus
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import MILLISECOND, SECOND, character_time

BAUD = 2400
DELAY = 5 * MILLISECOND
CHARACTER = character_time(BAUD)

DEVICE = """\
format: 1
device: {manufacturer: ABC, version: 2, medium: gas, id: 12345678}
telegrams:
  - records:
      - {dib: "0C", vib: "13", value: 2850427}
"""
TWO_TELEGRAMS = (
    DEVICE
    + """\
  - records:
      - {dib: "0C", vib: "13", value: 9}
"""
)

RESET = "10 40 05 45 16"
REQUEST = "10 7B 05 80 16"
OTHER_REQUEST = "10 5B 05 60 16"
ACK = "E5"

Run = tuple[int, str]
"""Start (ns from the end of the request) and the characters in hexadecimal, P and F for parity and framing errors."""


def telegram(access_number: int = 0, volume: str = "27 04 85 02") -> str:
    """What the meter at address 5 answers: 2850.427 m3, as in the examples of the standard."""
    body = bytes.fromhex(f"08 05 72 78 56 34 12 43 04 02 03 {access_number:02X} 00 00 00 0C 13 {volume}")
    head = bytes([0x68, len(body), len(body), 0x68])
    return (head + body + bytes([sum(body) & 0xFF, 0x16])).hex(" ").upper()


def meter(directory: Path, address: int = 5, text: str = DEVICE, **options: object) -> Meter:
    path = directory / "device.yaml"
    path.write_text(text, encoding="utf-8")
    options.setdefault("response_delay", (DELAY, DELAY))
    return Meter(catalogue.load_file(path), address=address, **options)  # type: ignore[arg-type]


class Wire:
    """One master's port. `closed_at` is when the bus ended the connection, in ns from the end of the last request."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.port = bus.open_port()
        self.now = 0
        self.closed_at: int | None = None

    def ask(self, request: str = RESET, wait: int = 2 * SECOND) -> list[Run]:
        """Send a request and return what comes in so much time from its end on."""
        data = bytes.fromhex(request)
        end = self.now + character_time(BAUD, len(data))
        self.bus.receive(self.port, data, self.now)
        return self._listen(end, end + wait)

    def listen(self, wait: int) -> list[Run]:
        """What comes in that time, counted from now on."""
        return self._listen(self.now, self.now + wait)

    def _listen(self, zero: int, until: int) -> list[Run]:
        characters: list[tuple[int, str]] = []
        while True:
            due = self.bus.next_wakeup()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            for send in self.bus.poll(self.now):
                assert send.port == self.port
                if send.closes:
                    self.closed_at = self.now - zero
                for index, value in enumerate(send.data):
                    flags = "P" * (index in send.parity_errors) + "F" * (index in send.framing_errors)
                    ended = send.time - character_time(BAUD, len(send.data) - 1 - index)
                    characters.append((ended - zero, f"{value:02X}{flags}"))
        self.now = until
        return _runs(characters)


def _runs(characters: list[tuple[int, str]]) -> list[Run]:
    runs: list[Run] = []
    previous = None
    for end, text in characters:
        # Ends are rounded to whole ns, each by itself.
        if previous is not None and abs(end - previous - CHARACTER) <= 2:
            runs[-1] = (runs[-1][0], f"{runs[-1][1]} {text}")
        else:
            runs.append((end - CHARACTER, text))
        previous = end
    return runs
