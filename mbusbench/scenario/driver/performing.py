"""MBusMaster does the actions of driver protocol 1, and tells what came of them in a report.

The same for the master that is judged in this process and for the one behind `mbusbench driver`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from mbusbench.errors import (
    MBusApplicationError,
    MBusConnectionError,
    MBusEncryptedError,
    MBusError,
    MBusTimeoutError,
    MBusUsageError,
)
from mbusbench.master.master import MBusMaster
from mbusbench.master.results import MBusSlaveInfo, MBusSlaveRecord
from mbusbench.master.search import MBusUnresolved
from mbusbench.protocol.procedures.readout import MAX_TELEGRAMS
from mbusbench.scenario.driver.action import ACTIONS, EVERYTHING, TRANSPORTS, WITHOUT_TARGET, Action
from mbusbench.scenario.report import (
    ERROR_KINDS,
    PROTOCOL,
    DriverReport,
    ErrorKind,
    HeaderReport,
    MeterReport,
    RecordReport,
    plain_value,
)

BROADCAST = 255
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
CLAIMS: dict[str, Any] = {
    "repeat": True,
    "list": True,
    "keys": True,
    "secondary": True,
    "retries": 2,
    "max_telegrams": MAX_TELEGRAMS,
    "echo": True,
}
"""What MBusMaster says of itself, whatever the transport."""

Target = int | str


def supports(action: str) -> bool:
    """Whether there is such an action."""
    return action in ACTIONS


def options(action: Action) -> dict[str, Any]:
    """What of an action are arguments of MBusMaster. What is not said stays its own default."""
    given = {
        "timeout": action.timeout,
        "retries": action.retries,
        "max_telegrams": action.max_telegrams,
        "keys": action.key,
    }
    return {name: value for name, value in given.items() if value is not None}


async def perform(action: Action, master: MBusMaster) -> DriverReport:
    """Do an action, on the connection that `master` has or opens. What goes wrong is in the report."""
    if action.name == "describe":
        return description()
    try:
        await master.open()
        if action.name == "scan":
            return _whole(await _scan(action, master))
        if action.name == "search":
            return _whole(await _search(action, master))
    except MBusError as error:
        return refused(action, error)
    return await _targets(action, master)


def refused(action: Action, error: MBusError) -> DriverReport:
    """The report where the action as a whole came to nothing."""
    targets = () if action.name in WITHOUT_TARGET else action.targets
    meters = tuple(_failed(error, target) for target in targets)
    return DriverReport(mbus=PROTOCOL, ok=False, error=_kind(error), detail=str(error), meters=meters)


async def _targets(action: Action, master: MBusMaster) -> DriverReport:
    if not action.targets:
        return DriverReport(
            mbus=PROTOCOL, ok=False, error=ErrorKind.USAGE.value, detail="no address was given", meters=()
        )
    do = _DOINGS[action.name]
    meters: list[MeterReport] = []
    for turn in range(max(1, action.repeat or 1)):
        if turn and action.interval:
            await asyncio.sleep(action.interval)
        for target in action.targets:
            try:
                fields = await do(action, master, target)
            except MBusError as error:
                meters.append(_failed(error, target))
            else:
                meters.append(MeterReport(**{**_place(target), "ok": True, "error": None, **fields}))
    failed = [meter.error for meter in meters if not meter.ok]
    return DriverReport(mbus=PROTOCOL, ok=not failed, error=failed[0] if failed else None, meters=tuple(meters))


def _whole(meters: list[MeterReport]) -> DriverReport:
    return DriverReport(mbus=PROTOCOL, ok=True, error=None, meters=tuple(meters))


def description() -> DriverReport:
    """What this master is and can do."""
    from mbusbench import __version__

    return DriverReport(
        mbus=PROTOCOL,
        ok=True,
        error=None,
        meters=(),
        name="mbusbench",
        version=__version__,
        actions=ACTIONS,
        claims={"transports": list(TRANSPORTS), **CLAIMS},
    )


def _place(target: Target) -> dict[str, Any]:
    if isinstance(target, str):
        return {"address": None, "secondary": target.upper()}
    return {"address": target, "secondary": None}


def _kind(error: MBusError) -> str:
    return error.kind if error.kind in ERROR_KINDS else ErrorKind.UNSPECIFIED.value


def _failed(error: MBusError, target: Target) -> MeterReport:
    fields = _place(target)
    if isinstance(error, MBusApplicationError):
        fields["code"] = error.code
    if isinstance(error, MBusEncryptedError) and error.slave is not None:
        fields.update(**_identity(error.slave), header=_header(error.slave))
    return MeterReport(ok=False, error=_kind(error), detail=str(error), **fields)


async def _ping(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    await master.ping(target)
    return {}


async def _read(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    data = await master.query(target)
    fields = {
        **_identity(data),
        "header": _header(data),
        "telegrams": data.telegrams,
        "more": data.more_records_follow,
        "partial": data.partial,
        "stale": data.stale,
        "records": tuple(map(record_report, data.records)),
    }
    if data.encrypted:
        fields.update(ok=False, error=ErrorKind.ENCRYPTED.value, partial=False)
    elif data.application_error is not None:
        fields.update(ok=False, error=ErrorKind.APPLICATION_ERROR.value, code=data.application_error, records=())
    return fields


def record_report(record: MBusSlaveRecord) -> RecordReport:
    """A record of MBusMaster as a result line shows it."""
    return RecordReport(
        value=plain_value(record.value),
        unit=record.unit,
        storage=record.storage_number,
        tariff=record.tariff,
        subunit=record.device_unit,
        function=record.function.value,
        telegram=record.telegram,
        valid=record.valid,
    )


def _identity(info: MBusSlaveInfo) -> dict[str, Any]:
    fields: dict[str, Any] = {"address": info.address}
    if info.secondary_address is not None:
        fields["secondary"] = info.secondary_address
    return fields


def _header(info: MBusSlaveInfo) -> HeaderReport:
    return HeaderReport(
        id=info.serial_number,
        manufacturer=info.manufacturer,
        version=info.version,
        medium=info.device_type,
        access=info.access_number,
        status=info.status,
    )


async def _set_address(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    if action.new_address is None:
        raise MBusUsageError("MBUS_NEW_ADDRESS is not set")
    info = await master.set_primary_address(target, action.new_address)
    return _identity(info)


async def _set_baud(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    if action.new_baud is None:
        raise MBusUsageError("MBUS_NEW_BAUD is not set")
    await master.set_baud_rate(target, action.new_baud)
    return {}


async def _app_reset(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    subcode = None
    if action.subcode is not None:
        try:
            subcode = bytes.fromhex(action.subcode)
        except ValueError:
            raise MBusUsageError(f"MBUS_SUBCODE={action.subcode}: this is no hex") from None
    await master.application_reset(target, subcode)
    return {}


async def _set_clock(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    try:
        when = datetime.fromisoformat(action.time or "")
    except ValueError:
        raise MBusUsageError(f"MBUS_TIME={action.time or ''}: this is no date and time") from None
    await master.set_clock(target, when)
    return {}


async def _alarm(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    return {"alarm": await master.alarm(target)}


async def _write(action: Action, master: MBusMaster, target: Target) -> dict[str, Any]:
    if target == BROADCAST:
        await master.broadcast(*action.data)
    else:
        await master.send(target, *action.data)
    return {}


_DOINGS: dict[str, Callable[[Action, MBusMaster, Target], Awaitable[dict[str, Any]]]] = {
    "ping": _ping,
    "select": _ping,
    "read": _read,
    "read-all": _read,
    "set-address": _set_address,
    "set-baud": _set_baud,
    "app-reset": _app_reset,
    "set-clock": _set_clock,
    "alarm": _alarm,
    "write": _write,
}


async def _scan(action: Action, master: MBusMaster) -> list[MeterReport]:
    match = _RANGE.fullmatch(action.range or "0-250")
    if match is None:
        raise MBusUsageError(f"MBUS_RANGE={action.range}: this is no range such as 0-250")
    found = []
    async for address, result in master.scan(range(int(match[1]), int(match[2] or match[1]) + 1)):
        if isinstance(result, MBusConnectionError):
            raise result
        if isinstance(result, MBusSlaveInfo):
            found.append(MeterReport(ok=True, error=None, header=_header(result), **_identity(result)))
        elif not isinstance(result, MBusTimeoutError):
            found.append(_failed(result, address))
    return found


async def _search(action: Action, master: MBusMaster) -> list[MeterReport]:
    found = []
    async for entry in master.search(action.secondary[0] if action.secondary else EVERYTHING):
        if isinstance(entry, MBusUnresolved):
            found.append(MeterReport(ok=False, error=entry.kind, detail=entry.message, secondary=entry.mask))
        else:
            found.append(MeterReport(ok=True, error=None, header=_header(entry), **_identity(entry)))
    return found
