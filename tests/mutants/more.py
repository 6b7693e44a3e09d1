"""Masters that are wrong about meters which are right in an unusual way."""

from __future__ import annotations

from mbusbench.codec.frame import ShortFrame, SingleCharacter
from mbusbench.master import freshness
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.master_link import MasterLink
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.making import patched

_take_acknowledge = MasterLink._take_acknowledge


def _characters_only(self: MasterLink, frame: SingleCharacter | ShortFrame, now: int, exchange: Exchange) -> None:
    if isinstance(frame, ShortFrame):
        self._note(frame, now)
    else:
        _take_acknowledge(self, frame, now, exchange)


MUTANTS = [
    Mutant(
        "MUT-LL-FCB-09",
        "LL-FCB-09",
        "takes an identical telegram for an old one",
        Column.REPORT,
        patched(freshness, _differ=lambda telegrams: True),
    ),
    Mutant(
        "MUT-LL-ACK-05",
        "LL-ACK-05",
        "single characters only",
        Column.REPORT,
        patched(MasterLink, _take_acknowledge=_characters_only),
        at_least=Verdict.NON_STRICT,
    ),
]
