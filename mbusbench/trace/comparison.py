"""Two traces beside each other: the same, or where they begin to differ and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mbusbench.codec.control_field import PRM
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import LongFrame, checksum
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError
from mbusbench.trace.assembly import Assembler, TimedFrame
from mbusbench.trace.event import TraceEvent
from mbusbench.trace.recorder import Trace

_ACCESS_NUMBER: dict[type, int] = {LongHeader: 8, ShortHeader: 0, FixedHeader: 4}


@dataclass(frozen=True, slots=True)
class Difference:
    """The first one: the number of the event or frame, counted from 0, and what each trace has there, or None.

    `fields` are the names of the fields of TraceEvent that differ.
    """

    index: int
    first: TraceEvent | None
    second: TraceEvent | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`counts` are how many events (or frames) there were, `only_in_first` and `only_in_second` how many of them the
    other trace does not have anywhere. `header` has the names of the header's fields that differ.
    """

    header: tuple[str, ...]
    difference: Difference | None
    counts: tuple[int, int]
    only_in_first: int = 0
    only_in_second: int = 0

    @property
    def same(self) -> bool:
        return self.difference is None and not self.header


def compare(first: Trace, second: Trace, *, ignore_times: bool = False, ignore_values: bool = False) -> Comparison:
    """Compare exactly, event by event; or, with an option, frame by frame, however their characters were cut.

    `ignore_times` leaves out times, delays and lags; `ignore_values` what lives in a telegram: values of records,
    access numbers, what is encrypted, and the checksum over it.
    """
    header = tuple(
        name for name in ("bus", "seed", "epoch") if getattr(first.header, name) != getattr(second.header, name)
    )
    left, right = list(first.events), list(second.events)
    if ignore_times or ignore_values:
        left, right = _frames(left), _frames(right)
    keys = [_keys(events, ignore_times, ignore_values) for events in (left, right)]
    counts = (len(left), len(right))
    index = next((at for at, (a, b) in enumerate(zip(*keys, strict=False)) if a != b), min(counts))
    if index == max(counts):
        return Comparison(header, None, counts)
    differing: tuple[str, ...] = ()
    if index < min(counts):
        pair = zip(TraceEvent._fields, keys[0][index], keys[1][index], strict=True)
        differing = tuple(name for name, a, b in pair if a != b)
    found = Difference(
        index, left[index] if index < counts[0] else None, right[index] if index < counts[1] else None, differing
    )
    of_first, of_second = Counter(keys[0]), Counter(keys[1])
    return Comparison(header, found, counts, (of_first - of_second).total(), (of_second - of_first).total())


def _frames(events: Iterable[TraceEvent]) -> list[TraceEvent]:
    """An event for each frame, whatever pieces it came in; what is no frame stays."""
    assembler = Assembler()
    found: list[TraceEvent] = []
    for event in events:
        found += map(_event, assembler.receive(event))
        if not event.data:
            found.append(event)
    return found + list(map(_event, assembler.finish()))


def _event(frame: TimedFrame) -> TraceEvent:
    return TraceEvent(
        frame.start,
        frame.kind,
        frame.port,
        frame.source,
        frame.raw,
        frame.end - frame.start,
        frame.baud,
        parity_errors=frame.parity_errors,
        framing_errors=frame.framing_errors,
        cause=frame.cause,
        delay=frame.delay,
        lag=frame.lag,
    )


def _keys(events: Iterable[TraceEvent], ignore_times: bool, ignore_values: bool) -> list[TraceEvent]:
    keys = list(events)
    if ignore_times:
        keys = [event._replace(time=0, duration=0, delay=None, lag=None) for event in keys]
    if ignore_values:
        keys = [event._replace(data=without_values(event.data)) if event.data else event for event in keys]
    return keys


def without_values(raw: bytes) -> bytes:
    """A slave's valid telegram with zeros where its values are; anything else as it is."""
    if len(raw) < 9 or raw[0] != 0x68 or raw[4] & PRM or len(raw) != raw[1] + 6:
        return raw
    if raw[-2] != checksum(raw[4:-2]):
        return raw
    data = bytearray(raw[7:-2])
    try:
        telegram = Telegram.decode(raw[6], bytes(data))
    except DecodeError:
        return raw
    header = telegram.header
    header_size = 0 if header is None else len(header.encode())
    if type(header) in _ACCESS_NUMBER:
        data[_ACCESS_NUMBER[type(header)]] = 0
    if telegram.encrypted:
        data[header_size:] = bytes(len(data) - header_size)
    for record in telegram.records:
        start, stop = record.field.data_start, record.field.stop
        data[start:stop] = bytes(stop - start)
    return LongFrame(raw[4], raw[5], raw[6], bytes(data)).encode()
