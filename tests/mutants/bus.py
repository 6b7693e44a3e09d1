"""Masters that are wrong about more than one talker."""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.frame import ACK, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import Reject, RejectReason
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Received, Reply, WrongAddress
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.links import AnyByte, linked_by, long_frame, reading_by, reading_loosely
from tests.mutants.making import lying, patched, with_options

_take = MasterLink._take


def _no_errors(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _take_echo(link: MasterLink, item: Received, now: int) -> None:
    exchange = link._exchange
    if isinstance(item, LongFrame | ShortFrame) and exchange is not None and item == exchange.request:
        link._finish(Reply(ACK, 1), now)
    else:
        _take(link, item, now)


def _take_echo_for_noise(link: MasterLink, item: Received, now: int) -> None:
    exchange = link._exchange
    if isinstance(item, LongFrame | ShortFrame) and exchange is not None and item == exchange.request:
        link._note(Reject(item.encode(), RejectReason.CHECKSUM), now)
    else:
        _take(link, item, now)


def _without_checksum(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == data[3] == 0x68 and data[1] == data[2] and data[-1] == 0x16
    return long_frame(data) if whole and len(data) == data[1] + 6 else None


def _first_acknowledge(link: MasterLink, frame: SingleCharacter | ShortFrame, now: int, exchange: Exchange) -> None:
    link._finish(Reply(frame, 1), now)


class _RepeatsAtOnce(MasterLink):
    """After what is no answer it does not wait for an idle line."""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        super().receive(data, now, wrong)
        if self.outcome is None and self._received:
            self._damaged = True
            self._settle = 0
            self._window_end = self._deadline = self._traffic_end = now


class _KeepsInput(MasterLink):
    """What came between requests is the answer to the next one, and no frame begins with it."""

    def __init__(self, *arguments: int, **options: int) -> None:
        super().__init__(*arguments, **options)
        self._kept = b""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        if self.state is LinkState.IDLE:
            self._kept += data
        else:
            super().receive(data, now, wrong)

    def start(self, exchange: Exchange, now: int) -> bytes:
        request = super().start(exchange, now)
        if self._kept:
            self._left = 0
            self._note(Reject(self._kept, RejectReason.START), now)
            self._window_end = self._deadline = self._sent + self._character
        self._kept = b""
        return request


class _GivesUpOnForeigners(MasterLink):
    def _take_foreign(self, frame: ShortFrame | LongFrame, now: int) -> None:
        self._finish(WrongAddress(frame, 1), now)


class _OneReceive(MasterLink):
    """What comes at once is the whole answer."""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        super().receive(data, now, wrong)
        if self.outcome is None and self._reader.missing:
            self._deadline = self._window_end = now


class _ReadsForEver(MasterLink):
    """As long as anything comes, it may be the answer."""

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        super().receive(data, now, wrong)
        if self.outcome is None:
            self._deadline = self._window_end = now + self.window


class _SendsIntoIt(MasterLink):
    """Looks at nothing but its own time."""

    def _heard(self) -> bool:
        return False

    def _idle_at(self) -> int:
        return 0


MUTANTS = [
    Mutant("MUT-BUS-BAB-01a", "BUS-BAB-01", "reads for ever", Column.TIMING, linked_by(_ReadsForEver)),
    Mutant("MUT-BUS-BAB-01b", "BUS-BAB-01", "sends into it", Column.WIRE, linked_by(_SendsIntoIt)),
    Mutant("MUT-BUS-COL-01a", "BUS-COL-01", "calls a collision ok", Column.REPORT, lying(_no_errors)),
    Mutant(
        "MUT-BUS-COL-01b",
        "BUS-COL-01",
        "does not check the checksum",
        Column.REPORT,
        reading_loosely(_without_checksum),
    ),
    Mutant("MUT-BUS-COL-01c", "BUS-COL-01", "repeats at once", Column.TIMING, linked_by(_RepeatsAtOnce)),
    Mutant("MUT-BUS-COL-01d", "BUS-COL-01", "repeats five times", Column.WIRE, with_options(retries=5)),
    Mutant(
        "MUT-BUS-COL-02a",
        "BUS-COL-02",
        "E5 and what follows is E5",
        Column.REPORT,
        patched(MasterLink, _take_acknowledge=_first_acknowledge),
    ),
    Mutant("MUT-BUS-COL-02b", "BUS-COL-02", "one byte is E5", Column.REPORT, reading_by(AnyByte)),
    Mutant(
        "MUT-BUS-ECH-01a",
        "BUS-ECH-01",
        "takes its echo for an answer",
        Column.REPORT,
        patched(MasterLink, _take=_take_echo),
    ),
    Mutant(
        "MUT-BUS-ECH-01b",
        "BUS-ECH-01",
        "takes its echo for a damaged answer",
        Column.WIRE,
        patched(MasterLink, _take=_take_echo_for_noise),
    ),
    Mutant(
        "MUT-BUS-MST-01a",
        "BUS-MST-01",
        "takes anybody's answer",
        Column.REPORT,
        patched(MasterLink, _take_foreign=lambda self, item, now: self._take_data(item, now, self._exchange)),
    ),
    Mutant(
        "MUT-BUS-MST-01b",
        "BUS-MST-01",
        "gives up where another one answers",
        Column.REPORT,
        linked_by(_GivesUpOnForeigners),
    ),
    Mutant("MUT-BUS-NOI-01", "BUS-NOI-01", "does not empty its input", Column.REPORT, linked_by(_KeepsInput)),
    Mutant(
        "MUT-BUS-TCP-01a", "BUS-TCP-01", "one receive is an answer", Column.WIRE, linked_by(_OneReceive), is_sane=False
    ),
    Mutant("MUT-BUS-TCP-01b", "BUS-TCP-01", "knows no latency", Column.REPORT, with_options(latency=0)),
]
