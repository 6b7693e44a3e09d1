"""Search for meters by secondary address: the asyncio shell around the procedure, its progress and its state.

Each question is a turn of its own on the line, so that other calls of the same master go in between.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import MBusError, MBusUsageError
from mbusbench.master.results import MBusSlaveInfo, slave_info
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, Outcome
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.search.ask import DESELECT
from mbusbench.protocol.procedures.search.memory import Memory
from mbusbench.protocol.procedures.search.walk import Asked, Event, Search, Walk

Result = TypeVar("Result")

EVERYTHING = "F" * 16


class MBusFound(MBusSlaveInfo):
    """A meter that a search found: `found_by` is the mask that it was the only one to answer, 16 digits.

    `fabrication_number` is set where only that tells it from others with the same secondary address.
    """

    found_by: str
    fabrication_number: str | None = None


class MBusUnresolved(BaseModel):
    """Somebody answers the selection `mask` who cannot be told apart, or does not say who it is.

    `mask` is the narrowest one, 16 digits; `kind` that of the error that a readout by it would raise.
    """

    model_config = ConfigDict(frozen=True)

    mask: str
    kind: str
    message: str


class SearchProgress(NamedTuple):
    """After each question: the mask that was asked for, how much is done (0 to 1), and what it took so far."""

    mask: str
    part: float
    found: int
    exchanges: int


class SearchState:
    """What a search has learned. Given to `MBusMaster.search` again, the search goes on where it was stopped.

    `str(state)` is JSON, `SearchState.parse` takes it back.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self.delivered: set[str] = set()
        self.mask: SecondaryAddress | None = None
        self.is_complete = False

    @property
    def found(self) -> tuple[SecondaryAddress, ...]:
        """The addresses found so far."""
        return tuple(SecondaryAddress.parse(f"{address:016X}") for address in self.memory.found)

    @property
    def exchanges(self) -> int:
        """Requests sent so far."""
        return self.memory.exchanges

    def __str__(self) -> str:
        return json.dumps(
            {
                "mask": None if self.mask is None else str(self.mask),
                "complete": self.is_complete,
                "delivered": sorted(self.delivered),
                **self.memory.to_dict(),
            }
        )

    @staticmethod
    def parse(text: str) -> SearchState:
        """MBusUsageError where `text` is not what `str` gave."""
        state = SearchState()
        try:
            data = json.loads(text)
            state.memory = Memory.from_dict(data)
            state.mask = None if data["mask"] is None else SecondaryAddress.parse(data["mask"])
            state.delivered = set(map(str, data["delivered"]))
            state.is_complete = bool(data["complete"])
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, MBusUsageError):
                raise
            raise MBusUsageError(f"this is not the state of a search: {error}") from None
        return state


class _Run(Protocol):
    def __call__(self, begin: Callable[[], Procedure[Result]], /) -> Awaitable[Result]: ...


class _Steps:
    """The walk of a search in pieces that end with an event. One that was cut off is begun anew, from memory."""

    def __init__(self, begin: Callable[[], Walk], memory: Memory) -> None:
        self._begin = begin
        self._memory = memory
        self._walk: Walk | None = None

    def step(self) -> Procedure[Event | None]:
        """Up to the next event; None at the end."""
        walk, self._walk = self._walk or self._begin(), None
        outcome: Outcome | None = None
        while True:
            try:
                item = walk.send(outcome)
            except StopIteration:
                return None
            if not isinstance(item, Exchange):
                self._walk = walk
                return item
            outcome = yield item
            self._memory.exchanges += outcome.attempts


def begin_search(
    mask: str | SecondaryAddress, known: Iterable[str | SecondaryAddress], state: SearchState | None
) -> tuple[SecondaryAddress, list[SecondaryAddress], SearchState]:
    """The arguments of a search, checked: MBusUsageError where one is wrong."""
    root = SecondaryAddress.parse(mask) if isinstance(mask, str) else mask
    if not isinstance(root, SecondaryAddress):
        raise MBusUsageError(f"{mask!r} is no secondary address")
    if isinstance(known, str | SecondaryAddress):
        raise MBusUsageError("known is a list of addresses")
    hints = [SecondaryAddress.parse(address) if isinstance(address, str) else address for address in known]
    state = SearchState() if state is None else state
    if state.mask not in (None, root):
        raise MBusUsageError(f"the state is that of a search for {state.mask}, not for {root}")
    state.mask = root
    return root, hints, state


async def search(
    run: _Run,
    fcb: MasterFcb,
    arguments: tuple[SecondaryAddress, list[SecondaryAddress], SearchState],
    progress: Callable[[SearchProgress], object] | None,
    to_error: Callable[[Failure, SecondaryAddress], MBusError],
) -> AsyncGenerator[MBusFound | MBusUnresolved]:
    """What `MBusMaster.search` yields. However it ends, no slave is left selected."""
    mask, hints, state = arguments
    memory = state.memory
    steps = _Steps(lambda: Search(mask, fcb, memory, hints).events(), memory)
    if state.is_complete:
        return
    try:
        while not state.is_complete:
            event = await run(steps.step)
            state.is_complete = event is None
            for entry in _undelivered(state, to_error):
                yield entry
            if progress is not None and (isinstance(event, Asked) or event is None):
                at, part = (event.mask, event.part) if isinstance(event, Asked) else (mask, 1.0)
                progress(SearchProgress(str(at), part, len(memory.found), memory.exchanges))
    finally:
        with suppress(MBusError):
            memory.exchanges += await run(partial(_deselect, fcb))


def _deselect(fcb: MasterFcb) -> Procedure[int]:
    outcome = yield DESELECT
    fcb.forget(SELECTED)
    return outcome.attempts


def _undelivered(
    state: SearchState, to_error: Callable[[Failure, SecondaryAddress], MBusError]
) -> Iterable[MBusFound | MBusUnresolved]:
    """What was found and not yielded yet: an event may be lost where a step is cancelled at its end."""
    memory, delivered = state.memory, state.delivered
    if len(delivered) == len(memory.found) + len(memory.unresolved) + len(memory.twins):
        return
    for address, frame in list(memory.found.items()):
        key = f"{address:016X}"
        if key not in delivered:
            delivered.add(key)
            yield _found(frame, key, str(memory.found_by[address]))
    for (address, digits), frame in list(memory.twins.items()):
        key = f"{address:016X} {digits}"
        if key not in delivered:
            delivered.add(key)
            yield _found(frame, f"{address:016X}", f"{address:016X}", digits)
    for mask, failure in list(memory.unresolved.items()):
        key = f"? {mask}"
        if key not in delivered:
            delivered.add(key)
            error = to_error(failure, mask.address())
            yield MBusUnresolved(mask=str(mask), kind=error.kind, message=str(error))


def _found(frame: LongFrame, address: str, found_by: str, fabrication_number: str | None = None) -> MBusFound:
    info = slave_info(Telegram.decode(frame.ci, frame.data), frame.address).model_dump()
    info["secondary_address"] = info["secondary_address"] or address
    return MBusFound(**info, found_by=found_by, fabrication_number=fabrication_number)
