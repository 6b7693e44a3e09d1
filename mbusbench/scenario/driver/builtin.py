"""Our own master, judged in this process: in the time of the event loop, virtual or not. Each action gets a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mbusbench.errors import MBusUsageError
from mbusbench.master.master import MBusMaster
from mbusbench.scenario.driver import performing
from mbusbench.scenario.driver.action import ACTIONS, Action, BusAccess
from mbusbench.scenario.driver.claims import Claims
from mbusbench.scenario.observation import StepOutcome, StepResult
from mbusbench.scenario.report import UNSUPPORTED


class BuiltinMaster:
    """`options` are arguments of MBusMaster, which an action's own override."""

    is_virtual = True
    name = "mbusbench"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.claims = Claims(actions=ACTIONS, **performing.CLAIMS)
        self._options = dict(options or {})

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        """As a process would: what it does not know is unsupported, and what takes too long is a hang."""
        started = access.now()
        if not performing.supports(action.name):
            return StepResult(action.step, action.name, None, "unsupported", started, access.now(), UNSUPPORTED)
        report = None
        outcome: StepOutcome = "hang"
        problem = None
        try:
            options = {"baudrate": access.baud, **self._options, **performing.options(action)}
            master = MBusMaster(access.url if access.bus is None else access.bus, **options)
        except MBusUsageError as error:
            report = performing.refused(action, error)
        else:
            try:
                async with asyncio.timeout(action.deadline):
                    report = await performing.perform(action, master)
            except TimeoutError:
                problem = f"not at its end after {action.deadline:g} s"
            except Exception as error:
                # What escapes would have ended a process: it is the master that broke, and not the bench.
                outcome, problem = "crash", f"{type(error).__name__}: {error}"
            finally:
                await master.close()
        return StepResult(
            step=action.step,
            action=action.name,
            report=report,
            outcome=outcome if report is None else "done",
            started=started,
            ended=access.now(),
            exit_status=None if report is None else int(not report.ok),
            problem=problem,
        )
