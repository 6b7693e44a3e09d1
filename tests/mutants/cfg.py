"""Masters that are wrong about writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from mbusbench.codec import commands
from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED, SecondaryAddress
from mbusbench.codec.commands import Payload
from mbusbench.codec.control_field import SND_UD, with_fcb
from mbusbench.codec.frame import LongFrame
from mbusbench.master import commands as master_commands
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb, Service
from mbusbench.protocol.outcome import Failure, FailureKind, Reply, failure
from mbusbench.protocol.procedures import Procedure, clock, set_address, write
from mbusbench.protocol.procedures.ping import Identification
from mbusbench.protocol.procedures.readout import Decode
from mbusbench.protocol.procedures.write import at_baudrate, greet, open_link, send_user_data
from mbusbench.scenario.driver import performing
from mbusbench.scenario.driver.action import Action
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.making import Making, lying, patched

_Target = int | SecondaryAddress
_set_primary_address = commands.set_primary_address
_set_baud_rate = commands.set_baud_rate
_set_clock = commands.set_clock
_application_reset = commands.application_reset
_request_bit = MasterFcb.request_bit


def _to_all(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    return send_user_data(BROADCAST_REPLY, payload, fcb)


def _twice(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    failed = yield from send_user_data(address, payload, fcb)
    return failed or (yield from send_user_data(address, payload, fcb))


def _trusting(target: _Target, address: int, fcb: MasterFcb, decode: Decode) -> Procedure[Identification]:
    """E5 is all that it wants."""
    taken = yield from set_address.refuse_taken(address, fcb)
    link = yield from open_link(target, fcb, decode)
    failed = taken or link.failure
    if failed is None:
        failed = yield from send_user_data(link.source.address, commands.set_primary_address(address), fcb)
    return Identification(failure=failed)


def _not_asking(address: int, fcb: MasterFcb) -> Procedure[None]:
    return None
    yield


def _unbounded(address: int) -> Payload:
    return commands.data_send(b"\x01\x7a" + bytes((address & 0xFF,)))


async def _modulo(action: Action, master: Any, target: int | str) -> dict[str, Any]:
    assert action.new_address is not None
    info = await master.set_primary_address(target, action.new_address % 256)
    return {"address": info.address}


def _merged(target: _Target, address: int, fcb: MasterFcb, decode: Decode) -> Procedure[Identification]:
    """Selection and data in one frame."""
    assert isinstance(target, SecondaryAddress)
    data = target.encode() + _set_primary_address(address)[1]
    frame = LongFrame(with_fcb(SND_UD, 1), SELECTED, 0x52, data)
    outcome = yield Exchange(frame, Expect.ACKNOWLEDGE)
    return Identification(failure=None if type(outcome) is Reply else failure(outcome, "selection"))


def _common_image(fcb: MasterFcb, address: int, service: Service = Service.REQ_UD2) -> int:
    """The selection counts as the first command."""
    bit = _request_bit(fcb, address, service)
    return 1 - bit if address == SELECTED and service is Service.SND_UD else bit


def _sent(change: Callable[[LongFrame], LongFrame]) -> Making:
    """Every command that is no selection as `change` makes it."""

    def changed(request: Any, expect: Expect, **options: Any) -> Exchange:
        if isinstance(request, LongFrame) and request.ci not in (0x52, 0x56):
            request = change(request)
        return Exchange(request, expect, **options)

    return patched(write, Exchange=changed)


def _invalid_bit(frame: LongFrame) -> LongFrame:
    return LongFrame(0x43, frame.address, frame.ci, frame.data)


def _valid_bit(frame: LongFrame) -> LongFrame:
    return LongFrame(0x53, frame.address, frame.ci, frame.data)


def _trusting_rate(
    target: _Target, baudrate: int, old: int, fcb: MasterFcb, decode: Decode
) -> Procedure[Failure | None]:
    link = yield from at_baudrate(open_link(target, fcb, decode), old)
    return (yield from at_baudrate(send_user_data(link.source.address, _set_baud_rate(baudrate), fcb), old))


def _left_behind(target: _Target, baudrate: int, old: int, fcb: MasterFcb, decode: Decode) -> Procedure[Failure | None]:
    """Where the new rate fails, it stays at it."""
    failed = yield from _trusting_rate(target, baudrate, old, fcb, decode)
    return failed or (yield from at_baudrate(greet(target, fcb), baudrate))


def _always_done(target: _Target, baudrate: int, old: int, fcb: MasterFcb, decode: Decode) -> Procedure[Failure | None]:
    """Asks at the new rate, and does not care for what comes."""
    yield from _left_behind(target, baudrate, old, fcb, decode)


def _month_from_0(when: datetime) -> Payload:
    return _set_clock(when.replace(month=when.month - 1))


def _an_hour_less(when: datetime) -> Payload:
    return _set_clock(when.replace(hour=when.hour - 1))


def _midnight_is_24(when: datetime) -> Payload:
    ci, data = _set_clock(when)
    return ci, data[:3] + bytes((data[3] | 24,)) + data[4:] if when.hour == 0 else data


def _wrong_for_the_fastest(baud: int) -> Payload:
    return _set_baud_rate(19200 if baud == 38400 else baud)


def _with_vife(when: datetime) -> Payload:
    ci, data = _set_clock(when)
    return ci, b"\x04\xed\x00" + data[2:]


def _clock_for_all(target: _Target, when: datetime, fcb: MasterFcb, decode: Decode) -> Procedure[Failure | None]:
    yield from write.broadcast([_set_clock(when)])


def _awaited(payloads: Iterable[Payload]) -> Procedure[None]:
    """Silence after a broadcast is a loss."""
    for ci, data in payloads:
        yield Exchange(LongFrame(0x43, BROADCAST, ci, data), Expect.ACKNOWLEDGE)


def _broadcast_is_lost(meters: list[MeterReport]) -> list[MeterReport]:
    lost = {"ok": False, "error": FailureKind.NO_ANSWER.value}
    return [meter.model_copy(update=lost if meter.address == BROADCAST else {}) for meter in meters]


def _refused(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "unspecified"}) for meter in meters]


def _dropping(subcode: int | bytes | None = None) -> Payload:
    return _application_reset()


def _adding(subcode: int | bytes | None = None) -> Payload:
    return _application_reset(0 if subcode is None else subcode)


_doings = performing._DOINGS
_as_procedure = {"set_primary_address": _trusting}

MUTANTS = [
    Mutant("MUT-CFG-ADR-01a", "CFG-ADR-01", "writes to 254", Column.WIRE, patched(set_address, send_user_data=_to_all)),
    Mutant(
        "MUT-CFG-ADR-01b",
        "CFG-ADR-01",
        "does not look whether it was done",
        Column.WIRE,
        patched(master_commands, **_as_procedure),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-CFG-ADR-01c", "CFG-ADR-01", "writes twice", Column.WIRE, patched(set_address, send_user_data=_twice)),
    Mutant(
        "MUT-CFG-ADR-01d",
        "CFG-ADR-01",
        "writes the next address",
        Column.WIRE,
        patched(commands, set_primary_address=lambda address: _set_primary_address(address + 1)),
    ),
    Mutant(
        "MUT-CFG-ADR-02a",
        "CFG-ADR-02",
        "does not ask before",
        Column.WIRE,
        patched(set_address, refuse_taken=_not_asking),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-CFG-ADR-02b",
        "CFG-ADR-02",
        "counts modulo 256",
        Column.WIRE,
        patched(performing, _DOINGS={**_doings, "set-address": _modulo}),
    ),
    Mutant(
        "MUT-CFG-ADR-02c",
        "CFG-ADR-02",
        "takes any address for one of a meter",
        Column.WIRE,
        patched(commands, set_primary_address=_unbounded),
    ),
    Mutant("MUT-CFG-ADR-02d", "CFG-ADR-02", "does not say why", Column.REPORT, lying(_refused), Verdict.NON_STRICT),
    Mutant("MUT-CFG-ADR-03", "CFG-ADR-03", "trusts E5 alone", Column.REPORT, patched(master_commands, **_as_procedure)),
    Mutant(
        "MUT-CFG-ADR-04a",
        "CFG-ADR-04",
        "selection and data in one frame",
        Column.WIRE,
        patched(master_commands, set_primary_address=_merged),
    ),
    Mutant(
        "MUT-CFG-ADR-04b",
        "CFG-ADR-04",
        "counts the selection as a command",
        Column.WIRE,
        patched(MasterFcb, request_bit=_common_image),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-CFG-BAU-01a",
        "CFG-BAU-01",
        "CI is off by one",
        Column.WIRE,
        patched(commands, set_baud_rate=lambda baud: (_set_baud_rate(baud)[0] + 1, b"")),
    ),
    Mutant(
        "MUT-CFG-BAU-01b",
        "CFG-BAU-01",
        "does not look whether it was done",
        Column.WIRE,
        patched(master_commands, set_baud_rate=_trusting_rate),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-CFG-BAU-01c",
        "CFG-BAU-01",
        "knows seven rates",
        Column.WIRE,
        patched(commands, set_baud_rate=_wrong_for_the_fastest),
    ),
    Mutant(
        "MUT-CFG-BAU-02a",
        "CFG-BAU-02",
        "trusts E5",
        Column.REPORT,
        patched(master_commands, set_baud_rate=_trusting_rate),
    ),
    Mutant(
        "MUT-CFG-BAU-02b",
        "CFG-BAU-02",
        "stays at a rate at which nobody answers",
        Column.WIRE,
        patched(master_commands, set_baud_rate=_left_behind),
    ),
    Mutant(
        "MUT-CFG-BAU-02c",
        "CFG-BAU-02",
        "asks, and takes silence for yes",
        Column.REPORT,
        patched(master_commands, set_baud_rate=_always_done),
    ),
    Mutant(
        "MUT-CFG-RST-01a",
        "CFG-RST-01",
        "drops the sub-code",
        Column.WIRE,
        patched(commands, application_reset=_dropping),
    ),
    Mutant(
        "MUT-CFG-RST-01b",
        "CFG-RST-01",
        "sends a sub-code that nobody gave",
        Column.WIRE,
        patched(commands, application_reset=_adding),
    ),
    Mutant(
        "MUT-CFG-RST-01c", "CFG-RST-01", "has no frame count bit", Column.WIRE, _sent(_invalid_bit), Verdict.NON_STRICT
    ),
    Mutant(
        "MUT-CFG-CLK-01a", "CFG-CLK-01", "counts months from 0", Column.WIRE, patched(commands, set_clock=_month_from_0)
    ),
    Mutant("MUT-CFG-CLK-01b", "CFG-CLK-01", "is an hour off", Column.WIRE, patched(commands, set_clock=_an_hour_less)),
    Mutant(
        "MUT-CFG-CLK-01c",
        "CFG-CLK-01",
        "says write by a VIFE",
        Column.WIRE,
        patched(commands, set_clock=_with_vife),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-CFG-CLK-01d",
        "CFG-CLK-01",
        "sends it to all",
        Column.WIRE,
        patched(master_commands, set_clock=_clock_for_all),
    ),
    Mutant(
        "MUT-CFG-CLK-01f",
        "CFG-CLK-01",
        "calls midnight 24 o'clock",
        Column.WIRE,
        patched(commands, set_clock=_midnight_is_24),
    ),
    Mutant("MUT-CFG-CLK-01e", "CFG-CLK-01", "writes twice", Column.WIRE, patched(clock, send_user_data=_twice)),
    Mutant(
        "MUT-CFG-BRC-01a",
        "CFG-BRC-01",
        "waits for an answer, and repeats",
        Column.WIRE,
        patched(master_commands, broadcast=_awaited),
    ),
    Mutant(
        "MUT-CFG-BRC-01b",
        "CFG-BRC-01",
        "has a valid frame count bit",
        Column.WIRE,
        _sent(_valid_bit),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-CFG-BRC-01c", "CFG-BRC-01", "takes silence for a loss", Column.REPORT, lying(_broadcast_is_lost)),
]
