"""Link reset: SND_NKE to the slave's own address, which also restarts its sequence of telegrams (EN 13757-2)."""

from __future__ import annotations

from functools import lru_cache

from mbusbench.codec.control_field import SND_NKE
from mbusbench.codec.frame import ShortFrame
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, Reply, failure
from mbusbench.protocol.procedures import Procedure

DOING = "link reset (SND_NKE)"


def link_reset(
    address: int, fcb: MasterFcb, *, alone: bool = False, attempts: int | None = None
) -> Procedure[Failure | None]:
    """Reset the link to `address`; None when it was acknowledged. `alone`: by exactly one slave."""
    outcome = yield _reset(address, alone, attempts)
    if type(outcome) is Reply:
        fcb.reset(address)
        return None
    fcb.forget(address)
    return failure(outcome, DOING)


@lru_cache(maxsize=1024)
def _reset(address: int, alone: bool, attempts: int | None) -> Exchange:
    return Exchange(ShortFrame(SND_NKE, address), Expect.ACKNOWLEDGE, alone=alone, attempts=attempts)
