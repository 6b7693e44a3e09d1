"""What the slaves make of the masters' characters: requests out of the line voltage, which all slaves hear alike.

FT 1.2 as strict as the standard wants it (EN 13757-2): behind an error, a pause within a frame or characters in
another format nothing counts until the line was idle for 33 bit times. Characters that are alone on the line are taken
as they are; only those that overlap are looked at bit by bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.frame_reader import RejectReason, candidate, frame_size, whole_frame
from mbusbench.line.uart import Receiver
from mbusbench.line.wire import CHARACTER_BITS, Parity, Transmission, WireSignal
from mbusbench.timing import BAUD_RATES, bit_time, idle_time

GAP_BITS = 22
"""Longest pause between two characters of a request, in bit times."""

Request = LongFrame | ShortFrame
OnRequest = Callable[[Request, int, int, int], None]
"""Called with a valid frame, its baud rate, the port that it came from, and when it ended (ns)."""

ROUNDING = 2
"""ns by which the end of a character may be off: what begins that much earlier does not overlap."""
_IDLE = {baud: idle_time(baud) - ROUNDING for baud in BAUD_RATES}
_GAP = {baud: bit_time(baud, GAP_BITS) + ROUNDING for baud in BAUD_RATES}


class SlaveHearing:
    """The receiving side of all slaves at once; `parity` is theirs. Times are ns.

    A slave whose rate is another than a transmission's hears garbage, as would one that hears two rates at once: for
    all rates but its own a transmission is nothing but a line that is not idle.
    """

    def __init__(self, parity: Parity, on_request: OnRequest) -> None:
        self._parity = parity
        self._on_request = on_request
        self._queue: deque[tuple[int, Transmission, int, Request | None]] = deque()
        self._end = 0
        self._port = 0
        self._receiver: Receiver | None = None
        self._pending = b""
        self._deaf = False
        self._heard_until = -_IDLE[BAUD_RATES[0]]
        self._baud = 0
        self._powered = -1

    def transmit(self, signal: WireSignal, port: int, end: int, frame: Request | None = None) -> None:
        """Put a signal of a master on the line, at the latest when it starts. `frame`: which it is, if it is known."""
        if self._receiver is None:
            if isinstance(signal, Transmission) and not signal.flipped and signal.start >= self._end - ROUNDING:
                if frame is not None:
                    self._queue.append((end, signal, port, frame))
                else:
                    self._queue.extend((piece.end, piece, port, None) for piece in pieces_of(signal))
                self._end = end
                return
            self._receiver = self._receiver_of_all(signal)
        self._receiver.transmit(signal)
        self._port = port
        self._end = max(end, self._end)

    def _receiver_of_all(self, signal: WireSignal) -> Receiver:
        """A receiver for what has to be looked at bit by bit: `signal`, and what is under way before it."""
        runs = _joined(piece for _, piece, _, _ in self._queue)
        self._queue.clear()
        first = runs[0] if runs else signal
        baud = first.baud if isinstance(first, Transmission) else self._baud or BAUD_RATES[0]
        receiver = Receiver(baud, self._parity, by_character=True)
        for run in runs:
            receiver.transmit(run)
        return receiver

    def next_wakeup(self) -> int | None:
        """When `poll` has something to do."""
        if self._receiver is not None:
            return self._receiver.next_wakeup()
        return self._queue[0][0] if self._queue else None

    def poll(self, now: int) -> None:
        """Hear what has ended until `now`."""
        receiver = self._receiver
        if receiver is not None:
            for received in receiver.poll(now):
                self._hear(received.start, received.end, received.data, receiver.baud, received.is_clean)
            if receiver.next_wakeup() is None:
                self._receiver = None
            return
        queue = self._queue
        while queue and queue[0][0] <= now:
            end, signal, self._port, frame = queue.popleft()
            self._hear(signal.start, end, signal.data, signal.baud, signal.parity is self._parity, frame)

    def power_up(self, now: int) -> None:
        """Slaves that were without power until now have missed the begin of what is on the line."""
        self._powered = now

    def _hear(  # noqa: PLR0917
        self, start: int, end: int, data: bytes, baud: int, clean: bool, frame: Request | None = None
    ) -> None:
        """Take characters without a pause between them; not `clean`: some have parity or framing errors."""
        pause = start - self._heard_until
        if pause >= _IDLE[baud]:
            self._pending = b""
            self._deaf = False
        elif baud != self._baud or (self._pending and pause > _GAP[baud]) or not clean:
            self._deaf = True
        if start <= self._powered:
            self._deaf = True
        self._heard_until = end
        self._baud = baud
        if self._deaf:
            return
        if not clean:
            self._deaf = True
            return
        if frame is not None and not self._pending:
            self._on_request(frame, baud, self._port, end)
            return
        self._scan(self._pending + data, baud, end)

    def _scan(self, data: bytes, baud: int, end: int) -> None:
        while data:
            found = candidate(data, 0)
            if found is None:
                break
            if isinstance(found, RejectReason):
                self._deaf = True
                data = b""
                break
            data = data[frame_size(data, 0) :]
            if isinstance(found, ShortFrame | LongFrame):
                self._on_request(found, baud, self._port, end)
        self._pending = data


def pieces_of(transmission: Transmission) -> list[Transmission]:
    """A transmission in pieces that are heard at their own ends: whole frames first, the rest by characters."""
    data, bits = transmission.data, CHARACTER_BITS[transmission.parity]
    pieces: list[Transmission] = []
    position = 0
    in_frames = True
    while position < len(data):
        size = frame_size(data, position) if in_frames else 1
        in_frames = in_frames and whole_frame(data[position : position + size]) is not None
        part = data[position : position + size] if in_frames else data[position : position + 1]
        start = transmission.start + bit_time(transmission.baud, bits * position)
        pieces.append(Transmission(start, part, transmission.baud, transmission.parity))
        position += len(part)
    return pieces


def _joined(pieces: Iterable[Transmission]) -> list[Transmission]:
    """Pieces without a pause between them as one transmission again."""
    runs: list[tuple[Transmission, list[bytes]]] = []
    end = 0
    for piece in pieces:
        if (
            runs
            and piece.start - end <= ROUNDING
            and (piece.baud, piece.parity) == (runs[-1][0].baud, runs[-1][0].parity)
        ):
            runs[-1][1].append(piece.data)
        else:
            runs.append((piece, [piece.data]))
        end = piece.end
    return [Transmission(first.start, b"".join(parts), first.baud, first.parity) for first, parts in runs]
