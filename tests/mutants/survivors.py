"""Masters that no case failed, until there was one for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.master import freshness
from mbusbench.master.freshness import Freshness
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.late_answers import LateAnswers
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Failure, FailureKind, Outcome, Reply
from mbusbench.protocol.procedures import Procedure, clock, readout
from mbusbench.protocol.procedures.readout import Readout, Source
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import linked_by
from tests.mutants.making import patched

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


MUTANTS = [
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
