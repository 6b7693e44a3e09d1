"""What the slaves make of the masters' characters: requests out of the line voltage, which all slaves hear alike.

FT 1.2 as strict as the standard wants it (EN 13757-2): behind an error, a pause within a frame or characters in
another format nothing counts until the line was idle for 33 bit times. Characters that are alone on the line are taken
as they are; only those that overlap are looked at bit by bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.frame_reader import RejectReason, candidate, frame_size, whole_frame
from mbusbench.line.uart import Receiver
from mbusbench.line.wire import Parity, Transmission, WireSignal
from mbusbench.timing import BAUD_RATES, bit_time, idle_time

ROUNDING = 2
"""ns by which characters sent back to back may seem to overlap."""
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
        if self._deaf and signal.start - self._heard_until < self._idle_of(signal):
            # Nothing counts before the line was idle, so nobody has to look at it.
            self._heard_until = max(end, self._heard_until)
            self._end = max(end, self._end)
            return
        if self._receiver is None:
            if isinstance(signal, Transmission) and not signal.flipped and signal.start >= self._end - ROUNDING:
                self._queue.append((end, signal, port, frame))
                self._end = end
                return
            first = self._queue[0][1] if self._queue else signal
            baud = first.baud if isinstance(first, Transmission) else self._baud or BAUD_RATES[0]
            self._receiver = Receiver(baud, self._parity, by_character=True)
            for _, queued, _, _ in self._queue:
                self._receiver.transmit(queued)
            self._queue.clear()
        self._receiver.transmit(signal)
        self._port = port
        self._end = max(end, self._end)

    def _idle_of(self, signal: WireSignal) -> int:
        return _IDLE[signal.baud if isinstance(signal, Transmission) else self._baud or BAUD_RATES[0]]

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


def characters_of_frames(data: bytes) -> list[bytes]:
    """`data` in pieces that are heard at their own ends: whole frames first, the rest character by character."""
    pieces: list[bytes] = []
    position = 0
    while position < len(data):
        piece = data[position : position + frame_size(data, position)]
        if whole_frame(piece) is None:
            break
        pieces.append(piece)
        position += len(piece)
    pieces.extend(data[index : index + 1] for index in range(position, len(data)))
    return pieces
