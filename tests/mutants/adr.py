"""Masters that are wrong about primary addresses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mbusbench.codec.address import SELECTED, SecondaryAddress
from mbusbench.master import master, target
from mbusbench.protocol import master_link
from mbusbench.protocol.procedures import ping
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import long_frame, reading_loosely, without_link_reset
from tests.mutants.making import lying, patched, together

Target = int | SecondaryAddress
_parse_target = target.parse_target
_primary_range = target.primary_range


def _modulo_256(address: target.Address) -> Target:
    return _parse_target(address % 256 if isinstance(address, int) else address)


def _zero_is_for_all(address: target.Address) -> Target:
    return 255 if address == 0 else _parse_target(address)


def _any_byte(address: target.Address) -> Target:
    return address if isinstance(address, int) and 0 <= address <= 255 else _parse_target(address)


def _without_the_last(meters: list[MeterReport]) -> list[MeterReport]:
    return meters[:-1] if len(meters) > 1 else meters


def _without_the_last_address(addresses: Iterable[int]) -> list[int]:
    return _primary_range(addresses)[:-1]


def _backwards(addresses: Iterable[int]) -> list[int]:
    return _primary_range(addresses)[::-1]


def _one_is_missed(addresses: Iterable[int]) -> list[int]:
    return [address for address in _primary_range(addresses) if address != 13]


def _with_a_ghost(address: int) -> Any:
    def add(meters: list[MeterReport]) -> list[MeterReport]:
        ghost = MeterReport(address=address, ok=True)
        return [*meters, ghost] if any(meter.address == 8 for meter in meters) else meters

    return lying(add)


def _found(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _at_254(meter: MeterReport) -> MeterReport:
    return meter.model_copy(update={"address": 254}) if meter.address == 5 else meter


def _whatever_comes(data: bytes) -> Any:
    whole = len(data) > 20 and data[0] == data[3] == 0x68 and data[1] == data[2] and len(data) == data[1] + 6
    return long_frame(data) if whole else None


MUTANTS = [
    Mutant("MUT-ADR-PRI-01a", "ADR-PRI-01", "refuses 0", Column.REPORT, patched(target, PRIMARY_RANGE=range(1, 251))),
    Mutant(
        "MUT-ADR-PRI-01b", "ADR-PRI-01", "0 is for all", Column.WIRE, patched(master, parse_target=_zero_is_for_all)
    ),
    Mutant(
        "MUT-ADR-PRI-02a",
        "ADR-PRI-02",
        "takes addresses modulo 256",
        Column.WIRE,
        patched(master, parse_target=_modulo_256),
    ),
    Mutant(
        "MUT-ADR-PRI-02b", "ADR-PRI-02", "asks reserved addresses", Column.WIRE, patched(master, parse_target=_any_byte)
    ),
    Mutant(
        "MUT-ADR-PRI-02c",
        "ADR-PRI-02",
        "ends at 249",
        Column.REPORT,
        patched(target, PRIMARY_RANGE=range(250)),
    ),
    Mutant("MUT-ADR-PRI-03a", "ADR-PRI-03", "ok without an answer", Column.REPORT, lying(_found)),
    Mutant(
        "MUT-ADR-PRI-03b",
        "ADR-PRI-03",
        "repeats a link reset to all",
        Column.WIRE,
        patched(master, parse_target=_any_byte),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-ADR-PRI-03c",
        "ADR-PRI-03",
        "asks all for data",
        Column.WIRE,
        together(without_link_reset, patched(master, parse_target=_any_byte)),
        is_sane=False,
    ),
    Mutant(
        "MUT-ADR-TST-01a",
        "ADR-TST-01",
        "an answer to 254 must come from 254",
        Column.REPORT,
        patched(master_link, _ANY_ADDRESS=(SELECTED,)),
    ),
    Mutant(
        "MUT-ADR-TST-01b",
        "ADR-TST-01",
        "takes what two meters sent at once",
        Column.REPORT,
        reading_loosely(_whatever_comes),
    ),
    Mutant(
        "MUT-ADR-TST-01c",
        "ADR-TST-01",
        "does not tell who answered",
        Column.REPORT,
        lying(lambda meters: [_at_254(meter) for meter in meters]),
        Verdict.NON_STRICT,
        is_sane=False,
    ),
    Mutant("MUT-ADR-SCN-01a", "ADR-SCN-01", "leaves out the last meter", Column.REPORT, lying(_without_the_last)),
    Mutant(
        "MUT-ADR-SCN-01b",
        "ADR-SCN-01",
        "leaves out the last address",
        Column.WIRE,
        patched(master, primary_range=_without_the_last_address),
    ),
    Mutant("MUT-ADR-SCN-01c", "ADR-SCN-01", "scans backwards", Column.WIRE, patched(master, primary_range=_backwards)),
    Mutant(
        "MUT-ADR-SCN-01d",
        "ADR-SCN-01",
        "leaves out one address",
        Column.WIRE,
        patched(master, primary_range=_one_is_missed),
    ),
    Mutant(
        "MUT-ADR-SCN-02a",
        "ADR-SCN-02",
        "leaves a collision out",
        Column.REPORT,
        lying(lambda meters: [m for m in meters if m.ok]),
    ),
    Mutant("MUT-ADR-SCN-02b", "ADR-SCN-02", "calls a collision a meter", Column.REPORT, lying(_found)),
    Mutant(
        "MUT-ADR-SCN-03a",
        "ADR-SCN-03",
        "one character is a collision at once",
        Column.REPORT,
        patched(ping, SCAN_ATTEMPTS=1),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-ADR-SCN-03b", "ADR-SCN-03", "one character is a meter", Column.REPORT, _with_a_ghost(6)),
]
