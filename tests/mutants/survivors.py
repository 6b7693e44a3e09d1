"""Masters that no case failed, until there was one for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SecondaryAddress
from mbusbench.codec.commands import Payload
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.master import commands, freshness
from mbusbench.master.freshness import Freshness
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.late_answers import LateAnswers
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Failure, FailureKind, Outcome, Received, Reply
from mbusbench.protocol.procedures import Procedure, alarm, clock, readout, write
from mbusbench.protocol.procedures.readout import Decode, Readout, Source
from mbusbench.protocol.procedures.search import mask, split
from mbusbench.scenario.report import MeterReport, RecordReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import linked_by
from tests.mutants.making import Making, lying, patched

_take = MasterLink._take
_choose = split.Survey.choose
_poll_alarm = alarm.poll_alarm
_is_stale = Freshness.is_stale
_telegrams = readout._telegrams


class _WaitsItOut(MasterLink):
    """Every answer is judged when the time for answers is over."""

    _outcome: Outcome | None = None

    def _finish(self, outcome: Outcome, now: int) -> None:
        if now < self._window_end and type(outcome) is Reply:
            self._outcome = outcome
            self._deadline = self._window_end
        else:
            super()._finish(outcome, now)

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        if self._outcome is None:
            super().receive(data, now, wrong)
            if self._outcome is not None:
                self._deadline = self._window_end

    def poll(self, now: int) -> bytes:
        outcome = self._outcome
        if outcome is None or self.state is LinkState.IDLE:
            return super().poll(now)
        if now >= self._window_end:
            self._outcome = None
            super()._finish(outcome, now)
        return b""


class _DataAcknowledgeResets(MasterLink):
    def _take_data(self, frame: LongFrame, now: int, exchange: Exchange) -> None:
        if exchange.expect is Expect.ACKNOWLEDGE and not exchange.alone:
            self._finish(Reply(frame, self._attempt), now)
        else:
            super()._take_data(frame, now, exchange)


def _one_more(source: Source, most: int) -> Procedure[Readout]:
    return (yield from _telegrams(source, most + 1))


def _one_less(source: Source, most: int) -> Procedure[Readout]:
    return (yield from _telegrams(source, most - 1))


def _not_greeting(target: int | SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure]:
    """As if nobody were there any more."""
    return Failure(FailureKind.NO_ANSWER, clock.DOING)
    yield


def _within_a_readout(self: Freshness, address: int, telegrams: Sequence[Telegram]) -> bool:
    """Believes an access number only where it counts from telegram to telegram."""
    return _is_stale(self, address, telegrams) and freshness._differ(telegrams)


def _everybody(is_wrong: Callable[[int, int], bool]) -> Making:
    """Takes answers with such an A (and the one asked) for those of the slave that was asked."""

    def take(self: MasterLink, item: Received, now: int) -> None:
        asked = self._exchange.request.address if self._exchange is not None else 0
        if isinstance(item, LongFrame) and is_wrong(item.address, asked):
            item = replace(item, address=asked)
        _take(self, item, now)

    return patched(MasterLink, _take=take)


def _not_by_version(self: split.Survey, *of: Any, **options: Any) -> Any:
    found = _choose(self, *of, **options)
    return None if found is not None and found.field is mask.VERSION else found


def _those_found(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter for meter in meters if meter.ok]


def _silence_is_none(target: int | SecondaryAddress, fcb: MasterFcb, decode: Decode) -> Procedure[alarm.Alarm]:
    return replace((yield from _poll_alarm(target, fcb, decode)), failure=None)


def _the_last_counts(
    target: int | SecondaryAddress, payloads: Iterable[Payload], fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    link = yield from write.open_link(target, fcb, decode)
    failed = link.failure
    for payload in payloads if failed is None else ():
        failed = yield from write.send_user_data(link.source.address, payload, fcb)
    return failed


def _until_alike(source: Source, most: int) -> Procedure[Readout]:
    result = yield from _telegrams(source, most)
    layouts = [readout._layout(telegram) for telegram in result.telegrams]
    alike = next((index for index in range(1, len(layouts)) if layouts[index] == layouts[0]), None)
    return result if alike is None else replace(result, telegrams=result.telegrams[:alike], ended=True)


def _none_empty(source: Source, most: int) -> Procedure[Readout]:
    result = yield from _telegrams(source, most)
    is_wrong = bool(result.telegrams) and not result.telegrams[-1].records
    return replace(result, failure=Failure(FailureKind.DECODE, readout.DOING)) if is_wrong else result


def _of_records(change: Callable[[RecordReport], dict[str, object]]) -> Making:
    def changed(meters: list[MeterReport]) -> list[MeterReport]:
        return [
            meter.model_copy(update={"records": tuple(each.model_copy(update=change(each)) for each in meter.records)})
            for meter in meters
        ]

    return lying(changed)


def _four_tariffs(record: RecordReport) -> dict[str, object]:
    return {"tariff": (record.tariff or 0) & 3}


def _of_this_century(record: RecordReport) -> dict[str, object]:
    value = record.value
    return {"value": value.replace("2085", "1985", 1) if isinstance(value, str) else value}


MUTANTS = [
    Mutant(
        "MUT-LL-ACK-06",
        "LL-ACK-06",
        "the last command counts",
        Column.REPORT,
        patched(commands, write=_the_last_counts),
    ),
    Mutant(
        "MUT-APL-MUL-07a",
        "APL-MUL-07",
        "ends where records are alike",
        Column.REPORT,
        patched(readout, _telegrams=_until_alike),
    ),
    Mutant(
        "MUT-APL-MUL-07b",
        "APL-MUL-07",
        "cannot bear an empty telegram",
        Column.REPORT,
        patched(readout, _telegrams=_none_empty),
    ),
    Mutant(
        "MUT-LL-CHK-09a",
        "LL-CHK-09",
        "254 and 255 are everybody",
        Column.REPORT,
        _everybody(lambda address, asked: address in (BROADCAST_REPLY, BROADCAST)),
    ),
    Mutant(
        "MUT-LL-CHK-09b",
        "LL-CHK-09",
        "compares the lower bits of A",
        Column.REPORT,
        _everybody(lambda address, asked: address & 0x7F == asked & 0x7F),
    ),
    Mutant(
        "MUT-SEC-SRC-08",
        "SEC-SRC-08",
        "does not ask for versions",
        Column.REPORT,
        patched(split.Survey, choose=_not_by_version),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SRC-09",
        "SEC-SRC-09",
        "leaves out what cannot be told apart",
        Column.REPORT,
        lying(_those_found),
    ),
    Mutant(
        "MUT-APL-ALM-02",
        "APL-ALM-02",
        "silence is no alarm",
        Column.REPORT,
        patched(commands, poll_alarm=_silence_is_none),
    ),
    Mutant("MUT-APL-VAR-10a", "APL-VAR-10", "knows four tariffs", Column.REPORT, _of_records(_four_tariffs)),
    Mutant("MUT-APL-VAR-10b", "APL-VAR-10", "skips the century", Column.REPORT, _of_records(_of_this_century)),
    Mutant(
        "MUT-PHY-RSP-04a",
        "PHY-RSP-04",
        "waits until the time for answers is over, whatever came",
        Column.TIMING,
        linked_by(_WaitsItOut),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-PHY-RSP-04b",
        "PHY-RSP-04",
        "takes every telegram for one that came already, and waits for another",
        Column.TIMING,
        patched(LateAnswers, is_copy=lambda self, *of: True),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-LAT-04a",
        "LL-LAT-04",
        "data acknowledge whatever was asked",
        Column.REPORT,
        linked_by(_DataAcknowledgeResets),
    ),
    Mutant(
        "MUT-LL-LAT-04b",
        "LL-LAT-04",
        "does not ask whose answer data are",
        Column.REPORT,
        patched(MasterLink, _is_of_before=lambda self, *of: False),
    ),
    Mutant(
        "MUT-SEC-SRC-07",
        "SEC-SRC-07",
        "the first good telegram is all",
        Column.REPORT,
        patched(MasterLink, _has_company=lambda self: False),
    ),
    Mutant(
        "MUT-CFG-CLK-02a",
        "CFG-CLK-02",
        "asks for the clock, and does not look at it",
        Column.REPORT,
        patched(clock, TOLERANCE=timedelta(days=36500)),
    ),
    Mutant(
        "MUT-CFG-CLK-02b",
        "CFG-CLK-02",
        "does not ask after E5",
        Column.WIRE,
        patched(clock, greet=_not_greeting),
    ),
    Mutant(
        "MUT-APL-MUL-06a", "APL-MUL-06", "one more than allowed", Column.WIRE, patched(readout, _telegrams=_one_more)
    ),
    Mutant(
        "MUT-APL-MUL-06b", "APL-MUL-06", "one less than allowed", Column.REPORT, patched(readout, _telegrams=_one_less)
    ),
    Mutant(
        "MUT-LL-FCB-10",
        "LL-FCB-10",
        "looks only whether the access number counts within a readout",
        Column.REPORT,
        patched(Freshness, is_stale=_within_a_readout),
        Verdict.NON_STRICT,
    ),
]
