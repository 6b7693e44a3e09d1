"""Readout of a slave to its last telegram: link reset or selection, then REQ_UD2 with a toggling frame count bit.

Three failures end in one restart from the first telegram, as the slave may have lost its place. Slaves are met that
announce more behind their last telegram and send the first one again: their readout ends there, and says that more was
announced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.control_field import REQ_UD2, with_fcb
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import MBusDecodeError
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind, Reply, failure
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.reset import link_reset
from mbusbench.protocol.procedures.select import select, sent_by

MAX_TELEGRAMS = 16
DOING = "request for data (REQ_UD2)"

# Raises MBusDecodeError where the frame holds no telegram.
Decode = Callable[[LongFrame], Telegram]
Accepts = Callable[[LongFrame], bool]
Prepare = Callable[[], Procedure[Failure | None]]

_LONG_HEADERS = (0x72, 0x76)
_SLAVES = 1024
_READABLE = frozenset((0x72, 0x73, 0x76, 0x77, 0x78, 0x7A))
_HEADER_SIZES = {0x72: 12, 0x76: 12, 0x7A: 4}
_LINK_FAILURES = frozenset(
    (FailureKind.NO_ANSWER, FailureKind.GARBLED, FailureKind.COLLISION, FailureKind.WRONG_ADDRESS, FailureKind.STALE)
)


@dataclass(frozen=True, slots=True)
class Readout:
    """What a readout brought: its telegrams in order, and `failure` where it is not complete.

    `address` is the A field of the first answer, which need not be the address that was asked. `circle`: the failure is
    a telegram that came again under a new access number. `ended`: more was announced, and then E5 came instead, twice.
    """

    address: int
    telegrams: tuple[Telegram, ...]
    failure: Failure | None = None
    circle: bool = False
    ended: bool = False


class Circles:
    """Slaves that send their first telegram again behind the last one, and how many telegrams each has."""

    def __init__(self) -> None:
        self._slaves: dict[tuple[int, bytes], int] = {}

    def length(self, address: int, telegram: Telegram) -> int | None:
        """How many telegrams the sender of `telegram` has, None where it is not known for going in circles."""
        return self._slaves.get(_slave(address, telegram)) if self._slaves else None

    def remember(self, address: int, telegrams: Sequence[Telegram]) -> None:
        """These were all."""
        key = _slave(address, telegrams[0])
        self._slaves.pop(key, None)
        self._slaves[key] = len(telegrams)
        if len(self._slaves) > _SLAVES:
            del self._slaves[next(iter(self._slaves))]


def _slave(address: int, telegram: Telegram) -> tuple[int, bytes]:
    return address, telegram.data[:8] if telegram.ci in _LONG_HEADERS else b""


class Source(NamedTuple):
    """Where telegrams come from: the address that is asked, and which frames count as its answers (None: all)."""

    address: int
    fcb: MasterFcb
    decode: Decode
    accepts: Accepts | None = None
    circles: Circles | None = None


def readout(
    address: int,
    fcb: MasterFcb,
    decode: Decode,
    max_telegrams: int = MAX_TELEGRAMS,
    circles: Circles | None = None,
) -> Procedure[Readout]:
    """Read the slave at a primary address, or at 254 the only one there is. `circles` learns which go in circles."""

    def prepare() -> Procedure[Failure | None]:
        return link_reset(address, fcb)

    return (yield from _with_restart(Source(address, fcb, decode, None, circles), prepare, max_telegrams))


def readout_by_secondary_address(
    mask: SecondaryAddress,
    fcb: MasterFcb,
    decode: Decode,
    max_telegrams: int = MAX_TELEGRAMS,
    circles: Circles | None = None,
) -> Procedure[Readout]:
    """Select the slave that `mask` names and read it; what another one sends is not taken.

    Where digits of the identification are open and every answer is damaged, that is taken for a collision.
    """

    def prepare() -> Procedure[Failure | None]:
        return select(mask, fcb)

    source = Source(SELECTED, fcb, decode, sent_by(mask), circles)
    result = yield from _with_restart(source, prepare, max_telegrams)
    failed = result.failure
    if failed is not None and failed.kind is FailureKind.GARBLED and "F" in mask.identification:
        return replace(result, failure=replace(failed, kind=FailureKind.COLLISION))
    return result


def next_telegram(source: Source) -> Procedure[tuple[Telegram, LongFrame, int] | Failure | None]:
    """Ask for one telegram; it comes with its frame and the attempts it took. None: the slave says E5."""
    address, fcb = source.address, source.fcb
    exchange = _request(address, fcb.request_bit(address))
    if source.accepts is not None:
        exchange = replace(exchange, accepts=source.accepts)
    outcome = yield exchange
    if type(outcome) is not Reply:
        fcb.forget(address)
        return failure(outcome, DOING)
    frame = outcome.frame
    if not isinstance(frame, LongFrame):
        return None
    fcb.success(address)
    try:
        telegram = source.decode(frame)
    except MBusDecodeError as error:
        return Failure(FailureKind.DECODE, DOING, str(error))
    failed = _unusable(telegram, frame.address)
    return (telegram, frame, outcome.attempts) if failed is None else failed


@lru_cache(maxsize=1024)
def _request(address: int, fcb: int) -> Exchange:
    return Exchange(ShortFrame(with_fcb(REQ_UD2, fcb), address), Expect.DATA)


def _unusable(telegram: Telegram, sender: int) -> Failure | None:
    if telegram.application_error is not None:
        return Failure(FailureKind.APPLICATION_ERROR, DOING, code=telegram.application_error)
    if telegram.encrypted:
        text = telegram.diagnostics[0].text
        return Failure(FailureKind.ENCRYPTED, DOING, text, telegram=telegram, sender=sender)
    if telegram.ci not in _READABLE:
        return Failure(FailureKind.DECODE, DOING, f"CI {telegram.ci:02X} is no readout")
    return None


def _with_restart(source: Source, prepare: Prepare, max_telegrams: int) -> Procedure[Readout]:
    unprepared = yield from prepare()
    if unprepared is not None:
        return Readout(source.address, (), unprepared)
    result = yield from _telegrams(source, max_telegrams)
    if result.failure is None or not _may_be_an_accident(result.failure, len(result.telegrams) >= max_telegrams):
        return result
    if (yield from prepare()) is not None:
        return result
    again = yield from _telegrams(source, max_telegrams)
    if not (result.circle and again.circle and len(again.telegrams) == len(result.telegrams)):
        return again
    # Twice at the same telegram: it was not the line that doubled it.
    if source.circles is not None:
        source.circles.remember(source.address, again.telegrams)
    return Readout(again.address, again.telegrams)


def _may_be_an_accident(failed: Failure, is_full: bool) -> bool:
    """Whether it may be otherwise the next time. One telegram twice is, where the line or a gateway doubled it."""
    return failed.kind in _LINK_FAILURES or (failed.kind is FailureKind.TOO_MANY_TELEGRAMS and not is_full)


def _telegrams(source: Source, max_telegrams: int) -> Procedure[Readout]:
    address = source.address
    found = yield from next_telegram(source)
    if found is None:
        return Readout(address, (), Failure(FailureKind.NO_DATA, DOING))
    if isinstance(found, Failure):
        return Readout(address, (), found)
    telegram, frame, _ = found
    answering = frame.address
    if not telegram.more_records_follow:
        return Readout(answering, (telegram,))
    telegrams = [telegram]
    circles = source.circles
    known = None if circles is None else circles.length(address, telegram)
    while telegrams[-1].more_records_follow:
        if len(telegrams) >= max_telegrams:
            length = _circle(telegrams)
            if length is None:
                failed = Failure(FailureKind.TOO_MANY_TELEGRAMS, DOING, f"more than {max_telegrams} telegrams")
                return Readout(answering, tuple(telegrams), failed)
            del telegrams[length:]
            if circles is not None:
                circles.remember(address, telegrams)
            break
        found = yield from next_telegram(source)
        if found is None:
            # The end, if it was not the line that made an E5 of a telegram.
            found = yield from next_telegram(source)
        if found is None:
            return Readout(answering, tuple(telegrams), ended=True)
        if isinstance(found, Failure):
            return Readout(answering, tuple(telegrams), found)
        telegram, _, attempts = found
        if attempts == 1 and len(telegrams) == known and _layout(telegram) == _layout(telegrams[0]):
            break
        doubt = _doubt(telegrams, telegram, attempts)
        if doubt is not None:
            is_new = all(telegram.data != earlier.data for earlier in telegrams)
            circle = is_new and doubt.kind is FailureKind.TOO_MANY_TELEGRAMS
            return Readout(answering, tuple(telegrams), doubt, circle)
        telegrams.append(telegram)
    return Readout(answering, tuple(telegrams))


def _circle(telegrams: Sequence[Telegram]) -> int | None:
    """How many telegrams a sequence has in which they come again and again, with other values; None where none does."""
    layouts = [_layout(telegram) for telegram in telegrams]
    lengths = range(1, len(layouts) // 2 + 1)
    return next((length for length in lengths if layouts[length:] == layouts[:-length]), None)


def _doubt(telegrams: list[Telegram], telegram: Telegram, attempts: int) -> Failure | None:
    """Why `telegram` can not be the next one of the readout."""
    if attempts > 1 and _layout(telegram) == _layout(telegrams[0]):
        # Asked twice: the slave may have lost its power, and with it its place in the sequence.
        return Failure(FailureKind.STALE, DOING, "the slave began again with its first telegram")
    body = _body(telegram)
    if any(body == _body(earlier) for earlier in telegrams):
        return Failure(FailureKind.TOO_MANY_TELEGRAMS, DOING, f"telegram {len(telegrams) + 1} is an earlier one again")
    return None


def _body(telegram: Telegram) -> tuple[int, bytes]:
    """What two telegrams with the same records share: access number and status aside."""
    return telegram.ci, telegram.data[_HEADER_SIZES.get(telegram.ci, 0) :]


def _layout(telegram: Telegram) -> list[bytes]:
    return [record.field.header.raw for record in telegram.records]
