"""Whether the master told what a scenario expects: the values that the meters really sent, or the right error.

What is expected of values is not written in the scenario: it follows from the meters (truth.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mbusbench.scenario.driver.action import READS, WITHOUT_TARGET
from mbusbench.scenario.expectation.definition import RecordEntry, ReportEntry, StepReport
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.judging.truth import Delivered, TrueRecord
from mbusbench.scenario.judging.turn import Turn, last_readout, of_turn
from mbusbench.scenario.report import (
    ExpectedRecord,
    MeterReport,
    RecordReport,
    compare_record,
    shown_value,
)
from mbusbench.scenario.verdict import Column, Finding, Verdict

Comparison = tuple[list[str], list[str]]
"""What is different, and what is only said less exactly."""


def judge_report(checks: Sequence[StepReport], seen: Seen) -> Iterator[Finding]:
    """A finding for each entry that is not as expected."""
    for check in checks:
        wanted = [entry for entry in check.entries for _ in range(entry.times)]
        steps = [
            (step, turns)
            for step, turns in zip(seen.observation.steps, seen.turns, strict=True)
            if check.step in (None, step.name)
        ]
        where = f"step {check.step}: " if check.step else ""
        unordered = [turn for step, turns in steps if step.action.name in WITHOUT_TARGET for turn in turns]
        if unordered or any(step.action.name in WITHOUT_TARGET for step, _ in steps):
            yield from _judge_set(wanted, unordered, seen, where)
            continue
        turns = [turn for _, each in steps for turn in each]
        if len(turns) != len(wanted):
            text = f"{where}expected {len(wanted)} entries, {len(turns)} were asked for"
            yield Finding(Column.REPORT, Verdict.ERROR, text)
        for number, (turn, entry) in enumerate(zip(turns, wanted, strict=False)):
            which = f"{where}entry {number + 1}: " if len(turns) > 1 else where
            if turn.entry is None:
                if turn.step.result.outcome == "done" and turn.step.result.report is not None:
                    yield Finding(Column.REPORT, Verdict.FAIL, f"{which}expected {entry.is_}, the report has no entry")
                continue
            yield from _judge_entry(entry, turn, seen, which)
        yield from _judge_shares(list(zip(wanted, turns, strict=False)), seen, where)


def _judge_shares(pairs: Sequence[tuple[ReportEntry, Turn]], seen: Seen, where: str) -> Iterator[Finding]:
    """Whether enough entries are the first of several alternatives."""
    for entry in dict.fromkeys(id(entry) for entry, _ in pairs if entry.share is not None):
        chosen = [pair for pair in pairs if id(pair[0]) == entry]
        words, share = chosen[0][0].alternatives[0], chosen[0][0].share
        assert share is not None
        good = sum(turn.entry is not None and not mismatch(words, each, turn, seen)[0] for each, turn in chosen)
        if good * 100 < share * len(chosen):
            text = f"{where}expected {' '.join(words)} in {share} % of {len(chosen)} entries, saw it in {good}"
            yield Finding(Column.REPORT, Verdict.FAIL, text)


def _judge_set(wanted: Sequence[ReportEntry], turns: Sequence[Turn], seen: Seen, where: str) -> Iterator[Finding]:
    """Of a scan or search: each entry once, in any order."""
    left = list(turns)
    for entry in wanted:
        same = [turn for turn in left if turn.entry is not None and _is_about(turn.entry, entry)]
        if not same:
            who = entry.secondary if entry.secondary is not None else entry.address
            yield Finding(Column.REPORT, Verdict.FAIL, f"{where}expected {who}, it is not in the report")
            continue
        left.remove(same[0])
        yield from _judge_entry(entry, same[0], seen, where)
    for turn in left:
        if turn.entry is not None:
            yield Finding(Column.REPORT, Verdict.FAIL, f"{where}expected no more entries, saw {told(turn.entry)}")


def _is_about(report: MeterReport, entry: ReportEntry) -> bool:
    if entry.secondary is not None:
        return (report.secondary or "").upper() == entry.secondary.upper()
    return entry.address is None or report.address == entry.address


def _judge_entry(entry: ReportEntry, turn: Turn, seen: Seen, where: str) -> Iterator[Finding]:
    report = turn.entry
    assert report is not None
    problems = [(mismatch(words, entry, turn, seen), words) for words in entry.alternatives]
    best, words = min(problems, key=lambda found: (bool(found[0][0]), bool(found[0][1])))
    if not best[0] and not best[1]:
        return
    verdict = Verdict.FAIL if best[0] else Verdict.NON_STRICT
    text = "; ".join(best[0] or best[1])
    is_untrue = report.ok and bool(_content(words, entry, turn, seen)[0])
    text = f"{where}expected {entry.is_}, saw {told(report)} ({text})"
    yield Finding(Column.REPORT, verdict, text, is_untrue=is_untrue)


def mismatch(words: Sequence[str], entry: ReportEntry, turn: Turn, seen: Seen) -> Comparison:
    """What an entry says otherwise than one alternative; an error by a wrong name is only less exact."""
    report = turn.entry
    assert report is not None
    kind, flags = words[0], set(words[1:])
    if kind in ("value", "ok"):
        if not report.ok:
            return [f"error {report.error}"], []
    elif report.ok:
        return ["it is ok"], []
    elif kind not in ("error", report.error):
        return ([f"error {report.error}"], []) if entry.strict else ([], [f"another name: {report.error}"])
    different, loose = _fields(entry, report)
    for flag in ("more", "partial", "stale"):
        if kind == "value" and bool(getattr(report, flag)) != (flag in flags):
            different.append(f"{flag} is {str(getattr(report, flag)).lower()}")
    found = _content(words, entry, turn, seen)
    return different + found[0], loose + found[1]


def _content(words: Sequence[str], entry: ReportEntry, turn: Turn, seen: Seen) -> Comparison:
    """What the records are otherwise; those of an entry with alternatives are for the ones that are ok."""
    report = turn.entry
    assert report is not None
    if entry.records is not None:
        if not report.ok and len(entry.alternatives) > 1:
            return [], []
        wanted, problems = _wanted_records(entry.records, turn, seen)
        found = align(report.records, wanted)
        return [*problems, *found[0]], found[1]
    if words[0] == "value":
        return _values(turn, seen, "more" in words, "incomplete" in words, "stale" in words), []
    return [], []


def _fields(entry: ReportEntry, report: MeterReport) -> Comparison:
    different: list[str] = []
    loose: list[str] = []
    for name in ("address", "secondary", "code", "alarm", "telegrams"):
        wanted, actual = getattr(entry, name), getattr(report, name)
        if wanted is None or wanted == actual or (name == "secondary" and str(actual).upper() == wanted.upper()):
            continue
        if name == "telegrams" and actual is None:
            continue  # how many there were need not be told
        (loose if actual is None and name != "alarm" else different).append(f"{name} is {actual}, expected {wanted}")
    if entry.no_alarm and report.alarm is not None:
        different.append(f"alarm is {report.alarm}, expected none")
    for name, wanted in entry.header.items():
        actual = getattr(report.header, name, None) if report.header is not None else None
        if str(actual).upper() != str(wanted).upper():
            (loose if actual is None else different).append(f"header.{name} is {actual}, expected {wanted}")
    return different, loose


def _wanted_records(
    entries: Sequence[RecordEntry], turn: Turn, seen: Seen
) -> tuple[list[TrueRecord | RecordEntry], list[str]]:
    """What entries mean, and why some of them cannot be met."""
    sent: list[TrueRecord] = []
    problems = []
    if any(entry.sent for entry in entries):
        telegrams = last_readout(turn, seen.traffic, of_turn(turn, seen.truth))
        sent = [record for telegram in telegrams for record in telegram.records]
        if not telegrams and not all(entry.optional for entry in entries if entry.sent):
            problems.append("no new telegram of this meter came whole")
    wanted: list[TrueRecord | RecordEntry] = []
    for number, entry in enumerate(entries):
        if not entry.sent:
            wanted.append(_wanted(entry))
        elif number < len(sent):
            wanted.append(_sent(entry, sent[number]))
        elif problems:
            wanted.append(RecordEntry(any=True))
        elif not entry.optional:
            wanted.append(TrueRecord(ExpectedRecord("a record that the meter did not send")))
    return wanted, problems


def _sent(entry: RecordEntry, record: TrueRecord) -> TrueRecord:
    """What the meter sent; its place is looked at where the entry says one."""
    expected = replace(
        record.expected,
        storage=entry.storage,
        tariff=entry.tariff,
        subunit=entry.subunit,
        function=entry.function,
        telegram=entry.telegram,
    )
    return replace(record, expected=expected, optional=entry.optional)


def _wanted(entry: RecordEntry) -> TrueRecord | RecordEntry:
    if entry.any:
        return entry
    expected = ExpectedRecord(
        entry.value,
        entry.unit,
        entry.storage,
        entry.tariff,
        entry.subunit,
        entry.function,
        entry.telegram,
        entry.valid,
    )
    return TrueRecord(expected, entry.optional)


def _values(turn: Turn, seen: Seen, more: bool, incomplete: bool, stale: bool) -> list[str]:
    """What the values of an entry are otherwise than what the meter sent in this turn."""
    report = turn.entry
    assert report is not None
    if stale:
        return []
    if turn.step.action.name not in READS:
        return []
    telegrams = last_readout(turn, seen.traffic, of_turn(turn, seen.truth))
    telegrams = [each for each in telegrams if each.application_error is None]
    if not telegrams:
        return ["no new telegram of this meter came whole"]
    most = len(telegrams)
    counts = range(1, most + 1) if more or incomplete else [most]
    results = [align_true(report.records, telegrams[:count])[0] for count in counts]
    return min(results, key=len)


def align_true(reported: Sequence[RecordReport], telegrams: Sequence[Delivered]) -> Comparison:
    """Records against telegrams; places that a record does not tell are not compared."""
    wanted = [
        replace(record, expected=replace(record.expected, telegram=number))
        for number, telegram in enumerate(telegrams)
        for record in telegram.records
    ]
    return align(reported, wanted, strict=False)


def align(
    reported: Sequence[RecordReport], wanted: Sequence[TrueRecord | RecordEntry], *, strict: bool = True
) -> Comparison:
    """Records in their order. Those that are `optional` may be missing; of a RecordEntry only the place counts."""
    different: list[str] = []
    loose: list[str] = []
    position = 0
    for number, record in enumerate(reported):
        while position < len(wanted):
            expected = wanted[position]
            position += 1
            if isinstance(expected, RecordEntry):
                problems, remarks = _placed(record, expected)
            else:
                problems, remarks = compare(record, expected, strict=strict)
            if not problems:
                loose += (f"record {number}: {remark}" for remark in remarks)
                break
            if not expected.optional:
                different.append(f"record {number}: {', '.join(problems)}")
                break
        else:
            text = shown_value(record.value, record.unit)
            different.append(f"record {number}: {text} is one more than expected")
    for each in wanted[position:]:
        if not each.optional:
            what = "a record"
            if isinstance(each, TrueRecord):
                what = shown_value(each.expected.value, each.expected.unit)
            different.append(f"{what} is missing")
    return different, loose


def _placed(record: RecordReport, wanted: RecordEntry) -> Comparison:
    """What of the place of a record is said otherwise."""
    said = {name: getattr(record, name) for name in ("storage", "tariff", "subunit", "function", "telegram")}
    different = [
        f"expected {name} {getattr(wanted, name)}, saw {value}"
        for name, value in said.items()
        if value is not None and getattr(wanted, name) not in (None, value)
    ]
    return different, []


def compare(record: RecordReport, wanted: TrueRecord, *, strict: bool = True) -> Comparison:
    """One record. What nobody can scale may be shown unscaled, or as no value."""
    expected = wanted.expected
    if not strict:
        expected = replace(
            expected,
            storage=expected.storage if record.storage is not None else None,
            tariff=expected.tariff if record.tariff is not None else None,
            subunit=expected.subunit if record.subunit is not None else None,
            function=expected.function if record.function is not None else None,
            telegram=expected.telegram if record.telegram is not None else None,
        )
    found = compare_record(record, expected)
    if found.differences and wanted.optional:
        same_place = compare_record(record, replace(expected, value=record.value, unit=record.unit, valid=True))
        value = record.value.replace(" ", "").upper() if isinstance(record.value, str) else record.value
        if not same_place.differences and value in (None, wanted.raw, wanted.expected.value):
            return [], []
    return list(found.differences), list(found.loose) if strict else []


def told(report: MeterReport) -> str:
    """An entry in words: `ok 99999.999 m3 from 5`."""
    who = report.secondary if report.address is None else report.address
    behind = f" from {who}" if who is not None else ""
    flags = "".join(f" {flag}" for flag in ("more", "partial", "stale") if getattr(report, flag))
    if not report.ok:
        return f"{report.error}{flags}{behind}"
    shown = ", ".join(shown_value(each.value, each.unit) for each in report.records[:4])
    further = f", and {len(report.records) - 4} more" if len(report.records) > 4 else ""
    return f"ok {shown}{further}{flags}{behind}".replace("ok  ", "ok ")
