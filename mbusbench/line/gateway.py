"""A serial-to-TCP gateway: how it cuts what the bus sends into segments, and how it lets requests through.

It knows no frames: a request is what one segment from the client carries. Buffers are bounded. Times are in ns; the
connections themselves are somebody else's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

TimedBytes = tuple[int, bytes]
"""When, in ns, and what."""

BUFFER_LIMIT = 65_536
"""Bytes that wait on either side at the most; what comes beyond that is lost, as in a gateway."""


class Segmenter:
    """Collects characters and sends them in segments.

    A segment is complete with `size` characters, `quiet` ns after its last one, or `longest` ns after its first one,
    whichever comes first. Without `quiet` and `longest`, what one `receive` brings leaves at once, in pieces of `size`.
    A complete segment leaves `latency` ns later, plus what `jitter` returns, but at least `spacing` ns after the one
    before it, and never before that one.

    Call `receive` with each character at its end where the cutting is to be true to the character.
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        quiet: int | None = None,
        longest: int | None = None,
        latency: int = 0,
        jitter: Callable[[], int] | None = None,
        spacing: int = 0,
    ) -> None:
        self._size = size
        self._quiet = quiet
        self._longest = longest
        self._latency = latency
        self._jitter = jitter
        self._spacing = spacing
        self._pending = bytearray()
        self._due = 0
        self._first = 0
        self._segments: deque[TimedBytes] = deque()
        self._waiting = 0
        self._last_left: int | None = None

    def receive(self, data: bytes, now: int) -> None:
        """Take characters that arrived at `now`."""
        self._complete(now)
        room = BUFFER_LIMIT - self._waiting - len(self._pending)
        data = data[:room]
        if not data:
            return
        if not self._pending:
            self._first = now
        self._pending += data
        while self._size is not None and len(self._pending) >= self._size:
            self._cut(self._size, now)
            self._first = now
        if self._pending:
            limits = [] if self._quiet is None else [now + self._quiet]
            if self._longest is not None:
                limits.append(self._first + self._longest)
            self._due = min(limits, default=now)
            self._complete(now)

    def poll(self, now: int) -> list[TimedBytes]:
        """Return the segments that leave until `now`, each with its time."""
        self._complete(now)
        ready: list[TimedBytes] = []
        while self._segments and self._segments[0][0] <= now:
            ready.append(self._segments.popleft())
            self._waiting -= len(ready[-1][1])
        return ready

    def next_wakeup(self) -> int | None:
        """Return when the next `poll` has something to do, None while nothing waits."""
        times = [self._segments[0][0]] if self._segments else []
        if self._pending:
            times.append(self._due)
        return min(times, default=None)

    def _complete(self, now: int) -> None:
        if self._pending and self._due <= now:
            self._cut(len(self._pending), self._due)

    def _cut(self, count: int, now: int) -> None:
        leaves = now + self._latency + (self._jitter() if self._jitter is not None else 0)
        if self._last_left is not None:
            leaves = max(leaves, self._last_left + self._spacing)
        self._last_left = leaves
        self._segments.append((leaves, bytes(self._pending[:count])))
        self._waiting += count
        del self._pending[:count]


class RequestGate:
    """Lets requests through to the bus, one at a time where `one_in_flight`.

    A request is in flight until `quiet` ns after the last character heard from the bus, or, where none is heard, for
    `timeout` ns. What comes meanwhile waits for its turn, or is lost where `drop`. Each passes `latency` ns later.
    """

    def __init__(
        self,
        *,
        one_in_flight: bool = False,
        timeout: int = 2_000_000_000,
        quiet: int = 50_000_000,
        drop: bool = False,
        latency: int = 0,
    ) -> None:
        self._one_in_flight = one_in_flight
        self._timeout = timeout
        self._quiet = quiet
        self._drop = drop
        self._latency = latency
        self._queue: deque[TimedBytes] = deque()
        self._waiting = 0
        self._busy_until: int | None = None

    def receive(self, data: bytes, now: int) -> None:
        """Take a request from the client."""
        if self._drop and self._one_in_flight and (self._queue or self._is_busy(now + self._latency)):
            return
        if data and self._waiting + len(data) <= BUFFER_LIMIT:
            self._queue.append((now + self._latency, data))
            self._waiting += len(data)

    def heard(self, now: int) -> None:
        """Note that the bus sent something at `now`."""
        if self._is_busy(now):
            self._busy_until = now + self._quiet

    def poll(self, now: int) -> list[TimedBytes]:
        """Return the requests that go out to the bus until `now`, each with its time."""
        ready: list[TimedBytes] = []
        while self._queue and self._next_time() <= now:
            time = self._next_time()
            data = self._queue.popleft()[1]
            self._waiting -= len(data)
            ready.append((time, data))
            if self._one_in_flight:
                self._busy_until = time + self._timeout
        return ready

    def next_wakeup(self) -> int | None:
        """Return when the next request goes out if the bus stays silent, None while none waits."""
        return self._next_time() if self._queue else None

    def _is_busy(self, now: int) -> bool:
        return self._busy_until is not None and now < self._busy_until

    def _next_time(self) -> int:
        return max(self._queue[0][0], self._busy_until or 0)


class Gateway:
    """One client's connection through a gateway: both directions, and the time after which it is closed for idleness.

    `to_client` and `to_bus` default to passing everything on at once. `idle_close` is in ns, counted from the last
    byte in either direction; `opened` is when the connection was made.
    """

    def __init__(
        self,
        to_client: Segmenter | None = None,
        to_bus: RequestGate | None = None,
        *,
        idle_close: int | None = None,
        opened: int = 0,
    ) -> None:
        self.to_client = to_client if to_client is not None else Segmenter()
        self.to_bus = to_bus if to_bus is not None else RequestGate()
        self._idle_close = idle_close
        self._last_traffic = opened

    def request(self, data: bytes, now: int) -> None:
        """Take bytes from the client."""
        if not self.is_closed(now):
            self._last_traffic = now
            self.to_bus.receive(data, now)

    def receive(self, data: bytes, now: int) -> None:
        """Take characters from the bus."""
        if not self.is_closed(now):
            self._last_traffic = now
            self.to_bus.heard(now)
            self.to_client.receive(data, now)

    def poll(self, now: int) -> list[TimedBytes]:
        """Return the segments that go to the client until `now`."""
        return [(time, data) for time, data in self.to_client.poll(now) if not self.is_closed(time)]

    def poll_bus(self, now: int) -> list[TimedBytes]:
        """Return the requests that go to the bus until `now`."""
        return [(time, data) for time, data in self.to_bus.poll(now) if not self.is_closed(time)]

    def is_closed(self, now: int) -> bool:
        """Tell whether the gateway has closed the connection at `now`."""
        return self._idle_close is not None and now >= self._last_traffic + self._idle_close

    def next_wakeup(self) -> int | None:
        """Return when something happens next by itself: a segment, a request, or the close."""
        closes = None if self._idle_close is None else self._last_traffic + self._idle_close
        times = (self.to_client.next_wakeup(), self.to_bus.next_wakeup(), closes)
        return min((time for time in times if time is not None), default=None)
