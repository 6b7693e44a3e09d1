"""Masters that are wrong about writing."""

from __future__ import annotations

from mbusbench.codec.address import BROADCAST_REPLY
from mbusbench.codec.commands import Payload
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure
from mbusbench.protocol.procedures import Procedure, set_address
from mbusbench.protocol.procedures.write import send_user_data
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import patched


def _to_all(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    return send_user_data(BROADCAST_REPLY, payload, fcb)


MUTANTS = [
    Mutant("MUT-CFG-ADR-01", "CFG-ADR-01", "writes to 254", Column.WIRE, patched(set_address, send_user_data=_to_all)),
]
