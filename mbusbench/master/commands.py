"""What MBusMaster does to meters beyond reading them: addresses, baud rates, clocks, resets, alarms, any command.

Every write goes to one slave, whose link is reset before it; to all slaves only by the methods that are named so. Where
a wildcard, or 254, could mean several meters, a write is refused unless one alone sends data.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from mbusbench.clock import utc_now
from mbusbench.codec import commands
from mbusbench.codec.address import BROADCAST_REPLY, SecondaryAddress
from mbusbench.codec.commands import Payload
from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.errors import MBusError, MBusUsageError
from mbusbench.master.results import MBusRecordFunction, MBusSlaveData, MBusSlaveInfo, slave_info
from mbusbench.master.target import Address, parse_target
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.alarm import poll_alarm
from mbusbench.protocol.procedures.clock import set_clock
from mbusbench.protocol.procedures.readout import Decode
from mbusbench.protocol.procedures.set_address import refuse_taken, set_primary_address
from mbusbench.protocol.procedures.set_baudrate import USUAL_RATES, answers_at, set_baud_rate
from mbusbench.protocol.procedures.write import broadcast, write
from mbusbench.timing import BAUD_RATES

Result = TypeVar("Result")


class Commands(ABC):
    """The commands of MBusMaster; not to be used without it.

    All of them raise what `MBusMaster.query` raises, and MBusRefusedError where a slave acknowledged and did not do it.
    A lost acknowledge is MBusTimeoutError: the command may have been executed. It is never executed twice.
    """

    _fcb: MasterFcb
    _decode: Decode
    _baudrate: int
    _baudrates: dict[int | SecondaryAddress, int]

    async def set_primary_address(self, address: Address, new_address: int) -> MBusSlaveInfo:
        """Move a slave to the primary address `new_address`, 0 to 250; who answers there afterwards.

        MBusRefusedError where something answers at `new_address` already (nothing is written then), or where the slave
        acknowledged and did not move. A lost acknowledge does not matter.
        """
        target = parse_target(address)
        commands.set_primary_address(new_address)
        if target == BROADCAST_REPLY:
            raise MBusUsageError("254 is every slave: read it to see its address, and give that")
        if target == new_address:
            raise MBusUsageError(f"{new_address} is the address that it has")
        rate = self._rate(target)
        for other in {self._baudrate, *self._baudrates.values()} - {rate}:
            taken = await self._run(partial(refuse_taken, new_address, self._fcb), other)
            if taken is not None:
                raise self._error(taken, target)
        found = await self._run(partial(set_primary_address, target, new_address, self._fcb, self._decode), rate)
        if found.failure is not None:
            raise self._error(found.failure, target)
        if isinstance(target, int) and self._baudrates.pop(target, None) is not None:
            self._baudrates[new_address] = rate
        return MBusSlaveInfo(address=new_address) if found.telegram is None else slave_info(found.telegram, new_address)

    async def set_baud_rate(self, address: Address, baudrate: int) -> None:
        """Switch a slave to one of the standard's rates, 300 to 38400, and see that it answers there.

        This master talks to `address` at that rate from then on. MBusRefusedError where the slave does not answer at
        the new rate; it is brought back to the old one where that is possible. MBusUsageError where the rate of the
        line cannot be changed through the connection (TCP).
        """
        target = parse_target(address)
        commands.set_baud_rate(baudrate)
        await self._require_baudrates()
        old = self._rate(target)
        procedure = partial(set_baud_rate, target, baudrate, old, self._fcb, self._decode)
        await self._must(target, procedure)
        self._remember(target, baudrate)

    async def find_baudrate(self, address: Address, rates: Iterable[int] = USUAL_RATES) -> int | None:
        """The first of `rates` at which a slave answers, None where it answers at none.

        This master talks to `address` at that rate from then on. MBusUsageError as for `set_baud_rate`.
        """
        target = parse_target(address)
        wanted = list(rates)
        for rate in wanted:
            if rate not in BAUD_RATES:
                raise MBusUsageError(f"baud rate {rate!r} is none of {', '.join(map(str, BAUD_RATES))}")
        await self._require_baudrates()
        for rate in wanted:
            if await self._run(partial(answers_at, target, rate, self._fcb, self._decode), again=True) is None:
                self._remember(target, rate)
                return rate
        return None

    async def application_reset(self, address: Address, subcode: int | bytes | None = None) -> None:
        """Reset the application; with `subcode` (application in the upper, block in the lower four bits) choose one."""
        await self._write(address, commands.application_reset(subcode))

    async def select_for_readout(self, address: Address, *selections: bytes) -> None:
        """Choose what the next readout brings: for each record DIF (data field 8), DIFEs, VIF and VIFEs.

        `b"\\x08\\x13"` is the volume. Without a selection: everything that the slave has.
        """
        await self._write(address, commands.select_for_readout(*selections))

    async def set_clock(self, address: Address, when: datetime | None = None) -> datetime:
        """Set date and time to the minute; what was sent. None is the local time of this machine.

        The slave's next telegram is read: MBusApplicationError where it says that it could not, MBusRefusedError where
        it shows another time.
        """
        target = parse_target(address)
        when = _now() if when is None else when
        commands.set_clock(when)
        await self._must(target, partial(set_clock, target, when, self._fcb, self._decode))
        return when

    async def read_clock(self, address: Address) -> datetime | None:
        """Date and time (the slave's local time) in a readout of the slave; None where it sends none."""
        data = await self.query(address)
        for record in data.get_all_records("datetime", 0, MBusRecordFunction.INSTANTANEOUS):
            if isinstance(record.value, datetime) and record.valid and not record.modifiers:
                return record.value
        return None

    async def synchronise(self, address: Address) -> None:
        """Send the synchronise action (CI 54) to one slave."""
        await self._write(address, commands.synchronise())

    async def alarm(self, address: Address) -> int | None:
        """Ask for an alarm (REQ_UD1): its 8 bits, which the manufacturer defines, or None where there is none."""
        target = parse_target(address)
        result = await self._run(partial(poll_alarm, target, self._fcb, self._decode), self._rate(target), again=True)
        if result.failure is not None:
            raise self._error(result.failure, target)
        return result.state

    async def send(self, address: Address, *data: bytes | str) -> None:
        """Send any commands (SND_UD), each its CI field and what follows it, as bytes or hex: `send(5, "50 10")`.

        They go out one after the other until one is not acknowledged.
        """
        await self._write(address, *map(_payload, data))

    async def broadcast(self, *data: bytes | str) -> None:
        """Send any commands to every slave on the bus, as `send`. Each goes out once; nobody answers."""
        await self._broadcast(*map(_payload, data))

    async def broadcast_clock(self, when: datetime | None = None) -> datetime:
        """As `set_clock`, to every slave on the bus. Nobody says whether it was done."""
        when = _now() if when is None else when
        await self._broadcast(commands.set_clock(when))
        return when

    async def broadcast_synchronise(self) -> None:
        """As `synchronise`, to every slave on the bus."""
        await self._broadcast(commands.synchronise())

    async def _write(self, address: Address, *payloads: Payload) -> None:
        if not payloads:
            raise MBusUsageError("there is nothing to send")
        target = parse_target(address)
        await self._must(target, partial(write, target, payloads, self._fcb, self._decode))

    async def _broadcast(self, *payloads: Payload) -> None:
        if not payloads:
            raise MBusUsageError("there is nothing to send")
        await self._run(partial(broadcast, payloads), once=True)

    async def _must(
        self, target: int | SecondaryAddress, begin: Callable[[], Procedure[Failure | None]], *, again: bool = False
    ) -> None:
        failure = await self._run(begin, self._rate(target), again=again)
        if failure is not None:
            raise self._error(failure, target)

    async def _require_baudrates(self) -> None:
        if not await self._sets_baudrate():
            raise MBusUsageError("the baud rate of the line cannot be changed through this connection")

    def _remember(self, target: int | SecondaryAddress, rate: int) -> None:
        if rate == self._baudrate:
            self._baudrates.pop(target, None)
        else:
            self._baudrates[target] = rate

    @abstractmethod
    async def query(self, address: Address) -> MBusSlaveData: ...

    @abstractmethod
    async def _run(
        self,
        begin: Callable[[], Procedure[Result]],
        baudrate: int | None = None,
        *,
        once: bool = False,
        again: bool = False,
    ) -> Result: ...

    @abstractmethod
    async def _sets_baudrate(self) -> bool: ...

    @abstractmethod
    def _rate(self, target: int | SecondaryAddress) -> int: ...

    @abstractmethod
    def _error(self, failure: Failure, target: int | SecondaryAddress) -> MBusError: ...


def _now() -> datetime:
    """The local time of this machine, to the nearest minute: seconds cannot be sent."""
    now = utc_now(asyncio.get_running_loop()).astimezone().replace(tzinfo=None)
    return (now + timedelta(seconds=30)).replace(second=0, microsecond=0)


def _payload(data: bytes | str) -> Payload:
    if isinstance(data, str):
        try:
            data = bytes.fromhex(data)
        except ValueError:
            raise MBusUsageError(f"{data!r} is no hex") from None
    if not isinstance(data, bytes) or not 1 <= len(data) <= DATA_MAXIMUM + 1:
        raise MBusUsageError(f"a command is a CI field and at most {DATA_MAXIMUM} bytes")
    return data[0], data[1:]
