"""Somebody else polls: a PLC, a gateway, a SCADA system. Nothing is started; the bus is served and watched.

What the master reports is not known. The invariants judge what it sends.
"""

from __future__ import annotations

import asyncio

from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.claims import NO_CLAIMS, Claims
from mbusbench.scenario.observation import StepResult

LOOK = 0.05
"""Seconds from one look at the bus to the next."""
NOT_POLLED = "nobody polled the bus"


class PassiveMaster:
    """`quiet`: after so many seconds without a character from the master, its turn is over."""

    is_virtual = False
    name = "passive"

    def __init__(self, quiet: float = 3.0) -> None:
        self.claims: Claims = NO_CLAIMS
        self._quiet = quiet

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        """Wait for one turn of the master, for at most `action.deadline` seconds.

        There is never a report. The outcome is "done" also where the turn goes on; "hang" where nobody polled at all.
        """
        loop = asyncio.get_running_loop()
        started, begin = access.now(), loop.time()
        before = heard = access.heard()
        last = begin
        while (now := loop.time()) - begin < action.deadline:
            count = access.heard()
            if count != heard:
                heard, last = count, now
            elif heard != before and now - last >= self._quiet:
                break
            await asyncio.sleep(LOOK)
        polled = heard != before
        return StepResult(
            step=action.step,
            action=action.name,
            report=None,
            outcome="done" if polled else "hang",
            started=started,
            ended=access.now(),
            problem=None if polled else f"{NOT_POLLED} within {action.deadline:g} s",
        )
