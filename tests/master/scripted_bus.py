"""A bus for tests of the master: what it answers is scripted, what it was sent is kept with its times.

Everything arrives over the loop's timers, so it works in virtual time. Slaves here are written anew, from the bytes of
the standard, and share no code with the package's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mbusbench.errors import MBusConnectionError
from mbusbench.transport import Stream

E5 = b"\xe5"
BIT = 1 / 2400

Answer = bytes | tuple[float, bytes]
Answers = Iterable[Answer] | Answer | None
Handler = Callable[[bytes], Answers]


def short(control: int, address: int) -> bytes:
    return bytes((0x10, control, address, (control + address) & 0xFF, 0x16))


def long(control: int, address: int, ci: int, data: bytes = b"") -> bytes:
    body = bytes((control, address, ci)) + data
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


def telegram(
    address: int,
    litres: int,
    *,
    identification: str = "12345678",
    access: int = 0,
    storage: int = 0,
    more: bool = False,
    control: int = 0x08,
) -> bytes:
    """RSP_UD of a water meter: its volume as 8 BCD digits."""
    header = bytes.fromhex(identification)[::-1] + bytes.fromhex("24232807") + bytes((access, 0, 0, 0))
    dif = bytes((0x0C | (storage & 1) << 6,)) if storage < 2 else bytes((0x8C | (storage & 1) << 6, storage >> 1))
    record = dif + b"\x13" + bytes.fromhex(f"{litres:08d}")[::-1]
    return long(control, address, 0x72, header + record + (b"\x1f" if more else b""))


class ScriptedStream(Stream):
    """A connection whose other end is `handler`: it gets each request as it was written and returns what to answer.

    An answer is bytes, 20 ms after the request's end on a line of 2400 baud, or (seconds after that end, bytes).
    """

    def __init__(self, handler: Handler, *, latency: int = 0) -> None:
        self.handler = handler
        self.latency = latency
        self.sent: list[tuple[float, bytes]] = []
        self.open = True
        self.loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        return self.open

    @property
    def requests(self) -> list[str]:
        return [data.hex(" ").upper() for _, data in self.sent]

    def write(self, data: bytes) -> None:
        if not self.open:
            raise MBusConnectionError("the stream is closed")
        now = self.loop.time()
        self.sent.append((now, data))
        answers = self.handler(data)
        if answers is None:
            return
        end = now + len(data) * 11 * BIT
        for answer in [answers] if isinstance(answers, bytes | tuple) else answers:
            delay, chunk = answer if isinstance(answer, tuple) else (0.02, answer)
            self.loop.call_at(end + delay, self.deliver, chunk)

    def deliver(self, data: bytes) -> None:
        if self.open:
            self.on_data(data)

    def lose(self) -> None:
        self.open = False
        self.on_lost(MBusConnectionError("the connection was lost: unplugged"))

    async def close(self) -> None:
        self.open = False


class Meter:
    """A slave with a strict FCB memory: after a link reset the first request has to carry FCB 1.

    Each new telegram carries a count of litres never sent before. `telegrams` is how many make a readout.
    """

    def __init__(self, address: int, *, telegrams: int = 1, identification: str = "12345678") -> None:
        self.address = address
        self.telegrams = telegrams
        self.identification = identification
        self.litres = address * 1000
        self.last_fcb = 0
        self.place = 0
        self.sent = self.new_telegram()

    def new_telegram(self) -> bytes:
        self.litres += 1
        storage = self.place
        self.place = (self.place + 1) % self.telegrams
        return telegram(
            self.address,
            self.litres,
            identification=self.identification,
            storage=storage,
            more=self.place != 0,
        )

    def answer(self, request: bytes) -> bytes | None:
        if request == short(0x40, self.address):
            self.last_fcb = 0
            self.place = 0
            return E5
        if request in (short(0x5B, self.address), short(0x7B, self.address)):
            fcb = request[1] >> 5 & 1
            if fcb != self.last_fcb:
                self.last_fcb = fcb
                self.sent = self.new_telegram()
            return self.sent
        return None


def bus_of(*meters: Meter) -> Handler:
    """A bus on which the one meter that is addressed answers."""

    def handle(request: bytes) -> Answers:
        answers = [answer for meter in meters if (answer := meter.answer(request)) is not None]
        return answers[0] if answers else None

    return handle


class ScriptedBus:
    """A bus in the sense of MBusMaster: each connection is a new ScriptedStream with the same handler."""

    def __init__(self, handler: Handler, *, latency: int = 0) -> None:
        self.handler = handler
        self.latency = latency
        self.streams: list[ScriptedStream] = []

    @property
    def stream(self) -> ScriptedStream:
        return self.streams[-1]

    def lose(self) -> None:
        """The connection of that moment is lost."""
        self.stream.lose()

    def connect(self) -> Stream:
        self.streams.append(ScriptedStream(self.handler, latency=self.latency))
        return self.stream


def litres(data: object) -> list[int]:
    """The volumes of a result, in litres."""
    return [round(record.value * 1000) for record in data.records]  # type: ignore[attr-defined]
