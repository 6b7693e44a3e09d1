"""Reads a bus for a recording: all telegrams of each meter, what it says after the last one, and its alarm.

The master is MBusMaster; what is recorded is what passed on the line, not what the master made of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from mbusbench.clock import ns_of
from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.codec.control_field import SND_NKE
from mbusbench.codec.frame import ShortFrame
from mbusbench.codec.header import LongHeader
from mbusbench.errors import MBusError
from mbusbench.master import MBusMaster
from mbusbench.meter.recording import Readout
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures import readout as reading
from mbusbench.protocol.procedures.alarm import poll_alarm
from mbusbench.protocol.procedures.reset import link_reset
from mbusbench.protocol.procedures.select import select
from mbusbench.recording.survey import RecordedMeter, has_alarm, survey
from mbusbench.recording.tap import TappedStream
from mbusbench.trace.event import TraceEvent
from mbusbench.transport.opening import open_stream
from mbusbench.transport.serial import Parity
from mbusbench.transport.stream import Stream

Target = int | SecondaryAddress


class TappedBus:
    """The bus at a URL, or one that has `connect` itself; `events` is what passed since they were taken last."""

    def __init__(self, source: Any, baudrate: int, parity: Parity = "even") -> None:
        self._source = source
        self._baudrate = baudrate
        self._parity = parity
        self.events: list[TraceEvent] = []

    async def connect(self) -> Stream:
        """A new connection."""
        if isinstance(self._source, str | os.PathLike):
            stream = await open_stream(os.fspath(self._source), baudrate=self._baudrate, parity=self._parity)
        else:
            found = self._source.connect()
            stream = found if isinstance(found, Stream) else await found
        return TappedStream(stream, self._baudrate, self._tell)

    def _tell(self, event: TraceEvent) -> None:
        self.events.append(event)

    def take(self) -> list[TraceEvent]:
        """The events up to now, which are forgotten."""
        events, self.events = self.events, []
        return events


class RecordingMaster(MBusMaster):
    """A master that also asks for what an emulation has to know. It reads through a `TappedBus`."""

    async def record(self, target: Target, *, only_read: bool = False) -> MBusError | None:
        """Read one meter, whatever it sends; the error that `query` would raise, or None."""
        result = await self._run(partial(self._recording, target, only_read), self._rate(target))
        return None if result.failure is None else self._error(result.failure, target)

    def _recording(self, target: Target, only_read: bool) -> Procedure[reading.Readout]:
        result = yield from self._readout(target)
        if result.failure is not None or only_read:
            return result
        address = target if isinstance(target, int) else SELECTED
        yield from reading.next_telegram(reading.Source(address, self._fcb, self._decode))
        yield from link_reset(address, self._fcb, attempts=1)
        header = result.telegrams[0].header
        if isinstance(target, int) and isinstance(header, LongHeader):
            yield from self._selected(header.secondary_address)
        return result

    def _selected(self, own: SecondaryAddress) -> Procedure[None]:
        """One telegram by selection: what its answers to 253 are like."""
        if (yield from select(own, self._fcb)) is None:
            yield from reading.next_telegram(reading.Source(SELECTED, self._fcb, self._decode))
        yield Exchange(ShortFrame(SND_NKE, SELECTED), Expect.ACKNOWLEDGE, alone=True, attempts=1)
        self._fcb.forget(SELECTED)

    async def record_alarm(self, target: Target) -> None:
        """Ask for the alarm, as a meter wants that sets the ACD bit."""
        await self._run(partial(poll_alarm, target, self._fcb, self._decode), self._rate(target))


class BusReader:
    """Reads the same addresses once or several times, and puts together what came."""

    def __init__(self, bus: TappedBus, master: RecordingMaster, addresses: Iterable[Target]) -> None:
        self._bus = bus
        self._master = master
        self._addresses = list(addresses)
        self._rounds: list[list[RecordedMeter]] = []
        self._times: list[int] = []
        self.errors: dict[Target, MBusError] = {}

    async def read(self, *, only_read: bool = False) -> None:
        """One round: each address once."""
        self._times.append(ns_of(asyncio.get_running_loop())())
        self._bus.take()
        for address in self._addresses:
            error = await self._master.record(address, only_read=only_read)
            if error is not None:
                self.errors[address] = error
            if not only_read and any(map(has_alarm, survey(self._bus.events, timed=True))):
                await self._master.record_alarm(address)
            self._collect(survey(self._bus.take(), timed=True))

    def _collect(self, meters: list[RecordedMeter]) -> None:
        while len(self._rounds) < len(self._times):
            self._rounds.append([])
        self._rounds[-1] += meters

    def meters(self) -> list[RecordedMeter]:
        """The meters of the first round, each with its readout of the last one behind its own."""
        first, *others = self._rounds or [[]]
        for meter in first:
            own, *later = meter.readouts
            readouts = [_at(own, self._times[0])]
            if own.asked != SELECTED:
                readouts += (each for each in later if each.asked == SELECTED)
            for each in others[-1:]:
                again = next((one for one in each if _is_same(one, meter)), None)
                if again is not None:
                    readouts.append(_at(again.readouts[0], self._times[-1]))
                    meter.delays += again.delays
            meter.readouts = readouts
        return first


def _is_same(one: RecordedMeter, other: RecordedMeter) -> bool:
    return one.identity == other.identity and one.address == other.address


def _at(readout: Readout, time: int) -> Readout:
    return Readout(readout.frames, readout.asked, time)
