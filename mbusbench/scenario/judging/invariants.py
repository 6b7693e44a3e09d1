"""INV-01 to INV-20: what holds for every master in every case, whatever it is asked for.

Each is judged by the trace as the master's port saw it, and by the report. INV-20 (bus load) is a figure, not judged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SecondaryAddress
from mbusbench.codec.control_field import FCV, PRM, SND_NKE, function_code
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.errors import MBusUsageError
from mbusbench.scenario.driver.action import READS, WITHOUT_TARGET
from mbusbench.scenario.expectation.result import align_true, compare, told
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.expectation.timing import LAG_FACTOR
from mbusbench.scenario.expectation.wire import shown
from mbusbench.scenario.file.pattern import is_selection
from mbusbench.scenario.judging.asked import judge_resets, judge_writes
from mbusbench.scenario.judging.traffic import MasterFrame
from mbusbench.scenario.judging.truth import Delivered
from mbusbench.scenario.judging.turn import Turn, fits, is_fresh
from mbusbench.scenario.observation import PerformedStep
from mbusbench.scenario.report import HeaderReport, MeterReport, RecordReport, contradictions, shown_value
from mbusbench.scenario.verdict import Column, Finding, Verdict
from mbusbench.timing import bit_time
from mbusbench.trace.assembly import TimedFrame
from mbusbench.trace.description import describe_frame
from mbusbench.trace.event import Kind
from mbusbench.trace.text import milliseconds

_MARGIN = 100_000_000
_LONGEST_SILENCE = 10 * 10**9
_WRITES = frozenset({"set-address", "set-baud", "app-reset", "set-clock", "write"})
_SEARCHES = frozenset({"scan", "search"})
_MOST_TO_SILENT = 12
_MOST_REQUESTS = 20
_RESTARTS = 4
_REQUEST_FUNCTIONS = (0xA, 0xB)

_RULES = {
    "request-during-answer": ("INV-01", Column.WIRE),
    "no-idle-time": ("INV-02", Column.TIMING),
    "request-before-timeout": ("INV-03", Column.TIMING),
    "garbled-request": ("INV-04", Column.WIRE),
    "unknown-request": ("INV-04", Column.WIRE),
}
_SPACING = frozenset({"request-during-answer", "no-idle-time", "request-before-timeout"})
_FCB_RULES = frozenset({"fcb-after-reset", "fcb-not-toggled", "fcb-toggled-without-answer"})
Judge = Callable[[Seen], Iterator[Finding]]


def judge_invariants(seen: Seen) -> list[Finding]:
    """Every breach, but of those that the scenario switches off."""
    found = [finding for judge in _JUDGES for finding in judge(seen)]
    return [each for each in found if each.invariant not in seen.definition.without]


def _broken(name: str, column: Column, text: str, position: int | None = None) -> Finding:
    return Finding(column, Verdict.FAIL, text, position, name)


def _by_analyzer(seen: Seen) -> Iterator[Finding]:
    """INV-01 to INV-06: what the passive analyzer finds.

    On the wall clock, a time that is wrong by less than three times the lag cannot be told.
    """
    margin = LAG_FACTOR * seen.lag
    sure = {
        (finding.time, finding.rule)
        for exchange in (seen.traffic.analyzed(margin) if margin else ())
        for finding in exchange.findings
    }
    evidence = seen.evidence
    for exchange in seen.traffic.exchanges:
        request = exchange.request
        for finding in exchange.findings:
            position = seen.traffic.position(finding.time, Kind.MASTER)
            if finding.rule in _FCB_RULES and request is not None:
                if evidence.was_answered(finding.time) is not (finding.rule != "fcb-toggled-without-answer"):
                    continue
                item = request.item
                is_write = isinstance(item, LongFrame)
                name = "INV-06" if is_write else "INV-05"
                yield _broken(name, Column.WIRE, f"{finding.words} Saw {finding.text}", position)
            elif finding.rule in _RULES:
                name, column = _RULES[finding.rule]
                if finding.rule in _SPACING and evidence.allows_to_send(finding.time):
                    continue
                is_about_time = column is Column.TIMING or name == "INV-01"
                is_sure = not is_about_time or not margin or (finding.time, finding.rule) in sure
                verdict = Verdict.FAIL if is_sure else Verdict.INCONCLUSIVE
                yield Finding(column, verdict, f"{finding.words} Saw {finding.text}", position, name)


def _repeats(seen: Seen) -> Iterator[Finding]:
    """INV-07: a request is repeated twice at most, or as often as was asked for."""
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        asked = step.action.retries
        most = 1 + (asked if asked is not None else max(2, seen.claims.retries or 0))
        times = [(turn.start, turn.end) for turn in turns]
        if step.action.name in WITHOUT_TARGET or not times:
            times = [(step.result.started, step.result.ended)]
        starts = [start for start, _ in times]
        for exchange in seen.traffic.exchanges:
            if not exchange.attempts:
                continue
            first = max(0, bisect_right(starts, exchange.attempts[0].start) - 1)
            for start, end in times[first : bisect_right(starts, exchange.attempts[-1].start)]:
                attempts = [each for each in exchange.attempts if start <= each.start < end]
                for row in _in_a_row(attempts, seen):
                    if len(row) > most:
                        text = f"at most {most} times in a row. Saw {len(row)} of {describe_frame(row[0].item)[0]}"
                        position = seen.traffic.position(row[most].start, Kind.MASTER)
                        yield _broken("INV-07", Column.WIRE, text, position)


def _in_a_row(attempts: Sequence[TimedFrame], seen: Seen) -> list[list[TimedFrame]]:
    """Attempts without anything between that may count as an answer, and over one connection."""
    rows: list[list[TimedFrame]] = []
    for frame in attempts:
        if not rows or seen.evidence.may_have_ended(rows[-1][-1], frame.start):
            rows.append([])
        rows[-1].append(frame)
    return rows


def _legal_frames(seen: Seen) -> Iterator[Finding]:
    """INV-12, INV-10, INV-09, INV-06 for a frame count bit that is not valid."""
    asked = {address for step in seen.observation.steps for address in step.action.addresses}
    for frame in seen.traffic.sent:
        item = frame.item
        if not isinstance(item, ShortFrame | LongFrame) or not item.control & PRM:
            if frame.raw in (b"\xe5", b"\xa2") or isinstance(item, ShortFrame | LongFrame):
                yield _broken("INV-12", Column.WIRE, f"a master does not answer. Saw {shown(frame)}", frame.position)
            continue
        address = item.address
        if address in (251, 252):
            yield _broken("INV-10", Column.WIRE, f"251 and 252 are reserved. Saw {shown(frame)}", frame.position)
        if address == BROADCAST:
            yield from _broadcast(frame, item, seen, asked)
        if address == BROADCAST_REPLY and BROADCAST_REPLY not in asked and not seen.claims.point_to_point:
            yield _broken("INV-09", Column.WIRE, f"nobody asked for 254. Saw {shown(frame)}", frame.position)
        is_write = isinstance(item, LongFrame) and function_code(item.control) == 3 and not is_selection(item)
        if is_write and not item.control & FCV and address != BROADCAST:
            text = f"SND_UD without a valid frame count bit. Saw {shown(frame)}"
            yield Finding(Column.WIRE, Verdict.NON_STRICT, text, frame.position, "INV-06")


def _broadcast(frame: MasterFrame, item: ShortFrame | LongFrame, seen: Seen, asked: set[int]) -> Iterator[Finding]:
    actions = {step.action.name for step in seen.observation.steps}
    if function_code(item.control) in _REQUEST_FUNCTIONS:
        text = f"nothing that wants an answer goes to 255. Saw {shown(frame)}"
        yield _broken("INV-10", Column.WIRE, text, frame.position)
    elif BROADCAST not in asked and not (item.control == SND_NKE and actions & _SEARCHES):
        yield _broken("INV-10", Column.WIRE, f"nobody asked for 255. Saw {shown(frame)}", frame.position)


def _bounded(seen: Seen) -> Iterator[Finding]:
    """INV-08: at most 12 frames to who is silent, 20 requests in one readout."""
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        if step.action.name in WITHOUT_TARGET:
            continue
        most = max(_MOST_REQUESTS, seen.observation.telegrams + 4)
        for turn in turns:
            frames = seen.traffic.frames_between(turn.start, turn.end)
            answered = [each for each in seen.traffic.heard if turn.start <= each.start <= turn.end]
            # What the bus hung up on says nothing of who is silent.
            until = [*(frame.start for frame in frames[1:]), turn.end]
            asked = [
                frame for frame, end in zip(frames, until, strict=False) if not seen.evidence.hung_up(frame.start, end)
            ]
            if not answered and len(asked) > _MOST_TO_SILENT:
                text = f"at most {_MOST_TO_SILENT} frames to a silent address. Saw {len(asked)}"
                yield _broken("INV-08", Column.WIRE, text, asked[_MOST_TO_SILENT].position)
            if step.action.name in READS:
                readouts = _readouts(frames)
                for requests in [*readouts, [each for readout in readouts for each in readout][_RESTARTS * most :]]:
                    if len(requests) > most:
                        text = f"at most {most} requests in one readout. Saw {len(requests)}"
                        yield _broken("INV-08", Column.WIRE, text, requests[most].position)


def _readouts(frames: Sequence[MasterFrame]) -> list[list[MasterFrame]]:
    """The requests from each link reset or selection on, repeats aside."""
    readouts: list[list[MasterFrame]] = [[]]
    before: MasterFrame | None = None
    for frame in frames:
        if is_selection(frame.item) or (isinstance(frame.item, ShortFrame) and frame.item.control == SND_NKE):
            readouts.append([])
        elif _is_request(frame) and (before is None or before.raw != frame.raw):
            readouts[-1].append(frame)
        before = frame
    return readouts


def _is_request(frame: MasterFrame) -> bool:
    item = frame.item
    return isinstance(item, ShortFrame) and bool(item.control & PRM) and function_code(item.control) == 0xB


def _quiet(seen: Seen) -> Iterator[Finding]:
    """INV-13: nothing outside of what the master was asked to do."""
    times = [(step.result.started, step.result.ended + _MARGIN) for step in seen.observation.steps]
    for frame in seen.traffic.sent:
        if not any(start <= frame.start <= end for start, end in times):
            text = f"nothing is sent before the first request and after the result. Saw {shown(frame)}"
            yield _broken("INV-13", Column.WIRE, text, frame.position)


def _true_values(seen: Seen) -> Iterator[Finding]:
    """INV-15: every value was in a whole frame of this meter, made for a request of this readout."""
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        if step.action.name not in READS:
            continue
        for turn in turns:
            yield from _true_values_of(turn, seen)


def _true_values_of(turn: Turn, seen: Seen) -> Iterator[Finding]:
    entry = turn.entry
    if entry is None:
        return
    yield from _true_identity(entry, turn, seen.truth.between(turn.start, turn.end))
    came = [each for each in seen.truth.between(turn.start, turn.end) if fits(each, turn.target)]
    since = turn.step.result.started
    fresh = [
        each
        for each in came
        if is_fresh(each, turn) or seen.evidence.could_not_know(each.frame.encode(), each.start, since)
    ]
    yield from _true_header(entry, came)
    for record in entry.records:
        if any(not compare(record, each, strict=False)[0] for telegram in fresh for each in telegram.records):
            continue
        value = shown_value(record.value, record.unit)
        if record.value is None or (entry.stale and _is_in(record, came)):
            continue
        how = "only in an old frame" if _is_in(record, came) else "in no whole frame of this meter"
        position = seen.traffic.position(came[-1].start) if came else None
        yield _broken("INV-15", Column.REPORT, f"{value} was {how} in this readout: {told(entry)}", position)
        return


def _true_identity(entry: MeterReport, turn: Turn, heard: Sequence[Delivered]) -> Iterator[Finding]:
    """Who is told is who was asked or who answered."""
    if isinstance(turn.target, int) and entry.address not in (
        None,
        turn.target,
        *(each.frame.address for each in heard),
    ):
        text = f"address {entry.address} was neither asked nor did it answer: {told(entry)}"
        yield _broken("INV-15", Column.REPORT, text)
    own = [each.secondary for each in heard if each.secondary is not None and fits(each, turn.target)]
    if entry.ok and own and entry.secondary is not None and not any(_covers(entry.secondary, each) for each in own):
        text = f"{entry.secondary} is not who answered, but {' or '.join(sorted(set(own)))}: {told(entry)}"
        yield _broken("INV-15", Column.REPORT, text)


def _covers(mask: str, address: str) -> bool:
    """Whether a secondary address is another, or the mask by which that was asked for."""
    try:
        return SecondaryAddress.parse(mask).matches(SecondaryAddress.parse(address))
    except MBusUsageError:
        return False


def _true_header(entry: MeterReport, came: Sequence[Delivered]) -> Iterator[Finding]:
    """What is told of the header was in one, each field for itself."""
    headers = [each.header for each in came if each.header is not None]
    for name in HeaderReport.model_fields:
        told_field = getattr(entry.header, name, None)
        if told_field is None or not headers:
            continue
        true = sorted({str(getattr(header, name)) for header in headers} - {"None"})
        if true and str(told_field).upper() not in map(str.upper, true):
            text = f"{name} {told_field} was in no header of this meter, but {' or '.join(true)}: {told(entry)}"
            yield _broken("INV-15", Column.REPORT, text)


def invented(turn: Turn, seen: Seen) -> bool:
    """Whether an entry has a value that no meter ever sent in this case, in whichever readout."""
    entry = turn.entry
    if entry is None or turn.step.action.name not in READS:
        return False
    came = [each for each in seen.truth.telegrams if fits(each, turn.target)]
    return any(record.value is not None and not _is_in(record, came) for record in entry.records)


def _is_in(record: RecordReport, telegrams: Sequence[Delivered]) -> bool:
    return any(not compare(record, each, strict=False)[0] for telegram in telegrams for each in telegram.records)


def _complete(seen: Seen) -> Iterator[Finding]:
    """INV-16: ok means complete."""
    for step, turns in zip(seen.observation.steps, seen.turns, strict=True):
        for turn in turns:
            if turn.entry is not None and turn.entry.ok:
                reason = _incomplete(step, turn, seen)
                if reason is not None:
                    yield _broken("INV-16", Column.REPORT, f"ok means complete: {reason}")


def _incomplete(step: PerformedStep, turn: Turn, seen: Seen) -> str | None:
    entry, name = turn.entry, step.action.name
    assert entry is not None
    if name in READS:
        came = [each for each in seen.truth.between(turn.start, turn.end) if fits(each, turn.target)]
        if not came:
            return f"no data came whole from {turn.target}"
        if all(each.application_error is not None for each in came):
            return "the meter reported an application error"
        if entry.more or entry.stale or entry.partial:
            return None
        used = [each for each in came if not align_true(entry.records, [each])[0]] if len(came) == 1 else came
        last = max(came, key=lambda each: each.start)
        if last.more and not _ended(turn, last.end, seen):
            return "more telegrams were announced, and more is false"
        if used and last.partial:
            return "a telegram could be read only in part, and partial is false"
        return None
    if name in ("ping", "select", *_WRITES):
        if turn.target == BROADCAST:
            return None
        acknowledged = seen.truth.acknowledges(turn.start, turn.end)
        data = seen.truth.between(turn.start, turn.end)
        if not acknowledged and not data:
            return "nothing was acknowledged"
    if name in _SEARCHES:
        return _not_there(turn, seen)
    return None


def _ended(turn: Turn, after: int, seen: Seen) -> bool:
    """E5 as the answer to a further request is the end, too."""
    return bool(seen.truth.acknowledges(after, turn.end))


def _not_there(turn: Turn, seen: Seen) -> str | None:
    entry = turn.entry
    assert entry is not None
    meters = seen.meters
    if entry.secondary is not None and any(each.secondary == entry.secondary.upper() for each in seen.truth.telegrams):
        return None
    if entry.secondary is None and entry.address in seen.observation.addresses:
        return None
    if any(_digits(meter.wire_address) == (entry.secondary or "").upper() for meter in meters):
        return None
    is_scanned = turn.step.action.name == "scan" and entry.address is not None
    if is_scanned and entry.address in seen.observation.addresses:
        return None
    # An acknowledge says not whose it is.
    if is_scanned and seen.evidence.heard_from(entry.address or 0, turn.start, turn.end):
        return None
    return f"{entry.secondary or entry.address} is not on the bus"


def _digits(wire_address: bytes) -> str:
    return (wire_address[3::-1] + wire_address[4:]).hex().upper()


def _consistent(seen: Seen) -> Iterator[Finding]:
    """INV-17: line, status and entries agree."""
    for step in seen.observation.steps:
        report = step.result.report
        if report is not None and step.result.outcome == "done":
            for text in contradictions(report, step.action.name):
                yield _broken("INV-17", Column.REPORT, text)


def _lively(seen: Seen) -> Iterator[Finding]:
    """INV-18: no silence of its own above 10 s while work is left."""
    for step in seen.observation.steps:
        pause = round((step.action.interval or 0) * 1e9)
        frames = seen.traffic.frames_between(step.result.started, step.result.ended)
        ends = [step.result.started, *(frame.end for frame in frames)]
        begins = [*(frame.start for frame in frames), step.result.ended]
        for end, begin in zip(ends, begins, strict=True):
            busy = max((event.end for event in seen.traffic.events_between(end, begin)), default=end)
            longest = _LONGEST_SILENCE + pause + round((step.action.timeout or 0) * 1e9)
            if begin - max(end, busy) > longest + LAG_FACTOR * seen.lag:
                text = f"no silence above 10 s while work is left. Saw {milliseconds(begin - busy)}"
                yield _broken("INV-18", Column.TIMING, text, seen.traffic.position(begin, Kind.MASTER))


def _holes(seen: Seen) -> Iterator[Finding]:
    """INV-19: characters of a frame follow one another; on the wall clock TCP may hold 50 ms."""
    virtual = seen.observation.lag is None
    limit = bit_time(seen.baud, 33) if virtual else max(bit_time(seen.baud, 33), 50_000_000)
    for frame in seen.traffic.sent:
        if frame.frame.pause > limit + LAG_FACTOR * seen.lag:
            text = f"no hole above 33 bit times in a frame. Saw {milliseconds(frame.frame.pause)} in {shown(frame)}"
            yield _broken("INV-19", Column.TIMING, text, frame.position)


_JUDGES: tuple[Judge, ...] = (
    _by_analyzer,
    _repeats,
    _legal_frames,
    _bounded,
    judge_writes,
    _quiet,
    judge_resets,
    _true_values,
    _complete,
    _consistent,
    _lively,
    _holes,
)

__all__ = ["judge_invariants"]
