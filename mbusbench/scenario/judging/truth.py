"""What the meters really said: each telegram that reached the master, and what it means by the meters' generators.

A telegram is looked for among those that its meter would have made at the requests' times; then its records mean what
the generators say. One that is made otherwise (a quirk, a fault, bytes given whole) means what the codec reads.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from mbusbench.codec.address import BROADCAST_REPLY, SELECTED
from mbusbench.codec.control_field import ACD, DFC, PRM, REQ_UD2, RSP_UD, function_code
from mbusbench.codec.data_field import Value
from mbusbench.codec.frame import LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError
from mbusbench.master.results import MBusSlaveRecord, slave_data
from mbusbench.meter.meter import Meter
from mbusbench.scenario.judging.evidence import Found
from mbusbench.scenario.judging.traffic import Traffic
from mbusbench.scenario.report import ExpectedRecord, HeaderReport, plain_value
from mbusbench.trace.assembly import TimedFrame
from mbusbench.trace.event import REPEAT, Kind

_SAME_TIME = 1_000_000
_UNREADABLE = frozenset({"manufacturer_specific", "reserved"})


@dataclass(frozen=True, slots=True)
class TrueRecord:
    """A record of a telegram. `optional`: a master need not show it; `raw` is its register, unscaled."""

    expected: ExpectedRecord
    optional: bool = False
    raw: int | float | str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A telegram that reached the master whole, without errors. Times are ns.

    `made` is when its meter made it (a repeat, and a stale one, was made before); None where nobody knows who sent it.
    """

    frame: LongFrame
    start: int
    end: int
    made: int | None
    records: tuple[TrueRecord, ...]
    more: bool
    partial: bool
    encrypted: bool
    application_error: int | None
    alarm: int | None
    header: HeaderReport | None
    secondary: str | None

    @property
    def is_response(self) -> bool:
        """By its control field."""
        return self.frame.control & ~(ACD | DFC) == RSP_UD


class Truth:
    """Of one case: `meters` as they were put on the bus."""

    def __init__(
        self,
        traffic: Traffic,
        meters: Sequence[Meter],
        key: bytes | None = None,
        primed: frozenset[bytes] = frozenset(),
        found: Sequence[Found] = (),
    ) -> None:
        """`primed` are telegrams that were sent before, `found` the frames in all that arrived.

        A master may take a frame with junk around it, or with long pauses in it: it is not damaged.
        """
        self._primed = primed
        self._traffic = traffic
        self._meters = meters
        self._key = key
        heard = [frame for frame in traffic.heard if frame.ok]
        known = {(frame.raw, frame.start // _SAME_TIME) for frame in heard}
        pieced = [_as_heard(each) for each in found if not known & set(_about(each))]
        self._heard = sorted([*heard, *pieced], key=attrgetter("start"))
        self.telegrams = [self._delivered(frame) for frame in self._heard if _is_telegram(frame)]

    def acknowledges(self, start: int, end: int) -> list[TimedFrame]:
        """E5, or the short frame for it, that reached the master without errors."""
        return [frame for frame in self._heard if start <= frame.start <= end and _is_acknowledge(frame)]

    def between(self, start: int, end: int) -> list[Delivered]:
        """Telegrams that reached the master in this time."""
        starts = self._arrivals
        return self.telegrams[bisect_left(starts, start) : bisect_right(starts, end)]

    def _delivered(self, frame: TimedFrame) -> Delivered:
        item = frame.item
        assert isinstance(item, LongFrame)
        made, source = self._origin(frame)
        try:
            telegram = Telegram.decode(item.ci, item.data, key=self._key)
        except DecodeError:
            return Delivered(item, frame.start, frame.end, made, (), False, True, False, None, None, None, None)
        generated = None if source is None or made is None else self._generated(source, item, made)
        data = slave_data([telegram], item.address, None)
        if generated is None or len(generated) != len(data.records):
            # By another CI field the same bytes mean something else.
            records = tuple(map(_read, data.records))
        else:
            pairs = zip(generated, data.records, strict=True)
            records = tuple(_true(record, value) for value, record in pairs)
        records += tuple(_of_manufacturer(each) for each in data.manufacturer_data if each)
        header = HeaderReport(
            id=data.serial_number,
            manufacturer=data.manufacturer,
            version=data.version,
            medium=data.device_type,
            access=data.access_number,
            status=data.status,
        )
        return Delivered(
            item,
            frame.start,
            frame.end,
            made,
            records,
            data.more_records_follow,
            data.partial,
            data.encrypted,
            data.application_error,
            data.alarm,
            header if telegram.header is not None else None,
            data.secondary_address,
        )

    def _origin(self, frame: TimedFrame) -> tuple[int | None, Meter | None]:
        """When the telegram was made, and by whom."""
        same = [each for each in self._answers.get(frame.raw, ()) if each.start <= frame.end]
        if not same:
            return None, None
        sent = same[-1]
        source = next((meter for meter in self._meters if f"slave {meter.address}" == sent.source), None)
        new = [each for each in same if not _is_old(each)]
        if frame.raw in self._primed or (not new and REPEAT not in sent.cause):
            # It was made before anything was seen on the line.
            return -1, source
        if not new:
            return self._first_asked(sent), source
        return new[-1].start - (new[-1].delay or 0), source

    def _first_asked(self, repeat: TimedFrame) -> int:
        """When a telegram was made that was never on the line itself, by a repeat of it."""
        made = repeat.start
        for frame in reversed(self._traffic.frames_between(0, repeat.start)):
            item = frame.item
            if not isinstance(item, ShortFrame) or function_code(item.control) != function_code(REQ_UD2):
                continue
            if repeat.source != f"slave {item.address}" and item.address not in (SELECTED, BROADCAST_REPLY):
                continue
            if any(each.source == repeat.source for each in self._telegrams_between(frame.end, made)):
                break
            made = frame.start
        return made

    @cached_property
    def _telegrams(self) -> list[TimedFrame]:
        """What slaves sent, acknowledges aside."""
        return [each for each in self._traffic.answered if not isinstance(each.item, SingleCharacter)]

    @cached_property
    def _arrivals(self) -> list[int]:
        return [each.start for each in self.telegrams]

    def _telegrams_between(self, start: int, end: int) -> list[TimedFrame]:
        starts = self._starts
        return self._telegrams[bisect_left(starts, start) : bisect_left(starts, end)]

    @cached_property
    def _starts(self) -> list[int]:
        return [each.start for each in self._telegrams]

    @cached_property
    def _answers(self) -> dict[bytes, list[TimedFrame]]:
        """What slaves sent, by its bytes."""
        found: dict[bytes, list[TimedFrame]] = {}
        for each in self._traffic.answered:
            found.setdefault(each.raw, []).append(each)
        return found

    def _generated(self, meter: Meter, frame: LongFrame, made: int) -> list[Value] | None:
        """The value of each record by the generators, where the telegram is one that the meter made then."""
        if made < 0:
            return None
        for telegram in meter.device.telegrams:
            if telegram.data is not None:
                continue
            try:
                readings = [meter.reading(record, made) for record in telegram.records]
            except (LookupError, DecodeError):
                continue
            body = b"".join(each.sent for each in readings)
            if body and frame.data[12:].startswith(body) and _ends(frame.data[12 + len(body) :]):
                if any(record.raw is not None for record in telegram.records):
                    return None
                return [each.shown for each in readings]
        return None


def _of_manufacturer(data: str) -> TrueRecord:
    """What stands behind the records may be shown as hex digits, or not at all."""
    return TrueRecord(ExpectedRecord(data.upper()), optional=True)


def _ends(rest: bytes) -> bool:
    return rest[:1] in (b"", b"\x1f", b"\x0f")


def _is_old(frame: TimedFrame) -> bool:
    """Whether the slave did not make it for this request: a repeat, or a fault or quirk that sends an old one."""
    return any(reason == REPEAT or "stale" in reason or "stuck" in reason for reason in frame.cause)


def _about(found: Found) -> list[tuple[bytes, int]]:
    return [(found.raw, found.start // _SAME_TIME + shift) for shift in (-1, 0, 1)]


def _as_heard(found: Found) -> TimedFrame:
    return TimedFrame(found.start, found.end, found.item, found.raw, Kind.RECEIVED, 1, "", 0)


def _is_telegram(frame: TimedFrame) -> bool:
    return frame.ok and isinstance(frame.item, LongFrame)


def _is_acknowledge(frame: TimedFrame) -> bool:
    item = frame.item
    if isinstance(item, ShortFrame):
        return item.control & (PRM | 0xF) == 0
    return isinstance(item, SingleCharacter) and item.code == 0xE5


def _true(record: MBusSlaveRecord, value: Value) -> TrueRecord:
    found = _read(record)
    shown = plain_value(value)
    expected = found.expected
    return TrueRecord(
        ExpectedRecord(
            shown,
            expected.unit,
            expected.storage,
            expected.tariff,
            expected.subunit,
            expected.function,
            None,
            expected.valid,
        ),
        found.optional,
        found.raw,
    )


def _read(record: MBusSlaveRecord) -> TrueRecord:
    expected = ExpectedRecord(
        plain_value(record.value),
        record.unit,
        record.storage_number,
        record.tariff,
        record.device_unit,
        record.function.value,
        None,
        record.valid,
    )
    raw = record.raw_value
    return TrueRecord(expected, record.quantity in _UNREADABLE, plain_value(raw))
