"""A tool that knows no protocol: its command lines are templates, and the bench makes the result line of its output.

A command with `{targets}` does the whole list at once, and one with `{repeat}` all turns; others are called for each
target and turn. An action without a template, or without one for the transport, is unsupported.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbusbench.errors import MBusUsageError
from mbusbench.scenario.driver.action import WITHOUT_TARGET, Action, BusAccess
from mbusbench.scenario.driver.claims import NO_CLAIMS, Claims
from mbusbench.scenario.driver.definition import ActionTemplate, DriverFile
from mbusbench.scenario.driver.output import ToolOutput, meters_of
from mbusbench.scenario.driver.process import Ended, inherited, resolved, run_process, shorten
from mbusbench.scenario.observation import StepOutcome, StepResult
from mbusbench.scenario.report import PROTOCOL, UNSUPPORTED, DriverReport, ErrorKind, MeterReport

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
Target = int | str | None


@dataclass(slots=True)
class _Run:
    """What has come of an action so far."""

    meters: list[MeterReport] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    outcome: StepOutcome = "done"
    problem: str | None = None
    status: int | None = None


class TemplateMaster:
    """A driver file with `actions`."""

    is_virtual = False

    def __init__(self, definition: DriverFile, directory: Path) -> None:
        if definition.actions is None:
            raise MBusUsageError(f"{definition.name} has no actions")
        self.name = definition.name
        actions = definition.actions
        claims = definition.claims or NO_CLAIMS
        # What has no template is not claimed: it need not be tried.
        self.claims: Claims = claims if claims.actions else claims.model_copy(update={"actions": tuple(actions)})
        self._actions: dict[str, ActionTemplate] = {str(name): template for name, template in actions.items()}
        self._environment = definition.env
        self._directory = directory.absolute()

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        """As many processes as it takes, one after the other; one that fails does not stop the others."""
        started = access.now()
        template = self._actions.get(action.name)
        words = None if template is None else template.command(access.transport)
        if template is None or words is None:
            text = f"no template for {action.name} over {access.transport}"
            return StepResult(
                action.step, action.name, None, "unsupported", started, access.now(), UNSUPPORTED, "", text
            )
        run = _Run()
        try:
            async with asyncio.timeout(action.deadline):
                await self._all(run, words, template, action, access)
        except TimeoutError:
            run.outcome, run.problem = "hang", f"not at its end after {action.deadline:g} s"
        report = None if run.outcome == "crash" else _report(action, run.meters)
        return StepResult(
            step=action.step,
            action=action.name,
            report=report,
            outcome=run.outcome,
            started=started,
            ended=access.now(),
            exit_status=run.status,
            output=shorten("\n".join(run.output)),
            problem=run.problem,
        )

    async def _all(
        self, run: _Run, words: Sequence[str], template: ActionTemplate, action: Action, access: BusAccess
    ) -> None:
        whole_list = "{targets}" in words or action.name in WITHOUT_TARGET
        turns = 1 if any("{repeat}" in word for word in words) else action.repeat or 1
        targets: Sequence[Target] = [None] if whole_list else action.targets
        for turn in range(turns):
            if turn and action.interval:
                await asyncio.sleep(action.interval)
            for target in targets:
                command = fill(resolved(words, self._directory), action, access, target)
                ended = await run_process(command, inherited(self._environment), action.deadline)
                self._note(run, ended, template, command, action=action, target=target)
                if run.outcome != "done":
                    return

    @staticmethod
    def _note(
        run: _Run,
        ended: Ended,
        template: ActionTemplate,
        command: Sequence[str],
        *,
        action: Action,
        target: Target,
    ) -> None:
        run.output.append(f"$ {' '.join(command)}\n{ended.output}")
        run.status = ended.status
        if ended.hung:
            run.outcome, run.problem = "hang", ended.problem
        elif ended.status is None or ended.problem is not None:
            run.outcome, run.problem = "crash", ended.problem
        elif ended.status < 0:
            run.outcome, run.problem = "crash", f"{command[0]} ended by signal {-ended.status}"
        else:
            found = meters_of(ToolOutput(ended.status, ended.stdout, ended.stderr), template.result)
            targets = action.targets if target is None else (target,)
            # A tool that did the whole list has its entries in that order.
            known = targets and len(found) % len(targets) == 0 and action.name not in WITHOUT_TARGET
            for index, meter in enumerate(found):
                run.meters.append(_placed(meter, targets[index % len(targets)]) if known else meter)


def _placed(meter: MeterReport, target: int | str) -> MeterReport:
    """An entry with the address that was asked for, where the tool does not say whose it is."""
    if meter.address is not None or meter.secondary is not None:
        return meter
    place: dict[str, Any] = {"address": target} if isinstance(target, int) else {"secondary": target.upper()}
    return meter.model_copy(update=place)


def _report(action: Action, meters: Sequence[MeterReport]) -> DriverReport:
    failed = [meter.error for meter in meters if not meter.ok]
    by_procedure = action.name in WITHOUT_TARGET
    # A scan that failed has one entry, which says so without saying where.
    is_lost = by_procedure and any(
        not meter.ok and meter.address is None and meter.secondary is None for meter in meters
    )
    if by_procedure and not is_lost:
        return DriverReport(mbus=PROTOCOL, ok=True, error=None, meters=tuple(meters))
    if not failed and meters:
        return DriverReport(mbus=PROTOCOL, ok=True, error=None, meters=tuple(meters))
    error = failed[0] if failed else ErrorKind.UNSPECIFIED.value
    return DriverReport(mbus=PROTOCOL, ok=False, error=error, meters=() if is_lost else tuple(meters))


def fill(words: Sequence[str], action: Action, access: BusAccess, target: Target) -> list[str]:
    """A command with everything put in. A word of which nothing is known is left out, with the option before it."""
    values = _values(action, access, target)
    filled: list[str] = []
    for word in words:
        name = word[1:-1]
        if word == "{targets}":
            filled += map(str, action.targets)
        elif word == "{data}":
            filled += action.data
        elif _PLACEHOLDER.fullmatch(word) and values.get(name) is None:
            if filled and filled[-1].startswith("-") and len(filled) > 1:
                filled.pop()
        else:
            filled.append(_PLACEHOLDER.sub(lambda match: str(_or_empty(values.get(match[1]))), word))
    return filled


def _or_empty(value: object) -> object:
    return "" if value is None else value


def _values(action: Action, access: BusAccess, target: Target) -> dict[str, object]:
    secondary = target if isinstance(target, str) else (action.secondary or (None,))[0]
    limits = _RANGE.fullmatch(action.range or "")
    return {
        "host": access.host or None,
        "port": access.port or None,
        "device": access.device or None,
        "url": access.url,
        "baud": access.baud,
        "address": target if isinstance(target, int) else None,
        "secondary": secondary,
        "target": target,
        "secondary_wire": None if secondary is None else wire_order(secondary),
        "id": None if secondary is None else secondary[:8],
        "new_address": action.new_address,
        "new_baud": action.new_baud,
        "subcode": action.subcode,
        "timeout_ms": None if action.timeout is None else round(action.timeout * 1000),
        "timeout": None if action.timeout is None else format(action.timeout, "g"),
        "retries": action.retries,
        "max_telegrams": action.max_telegrams,
        "low": limits[1] if limits else "0",
        "high": (limits[2] or limits[1]) if limits else "250",
        "time": action.time,
        "key": action.key,
        "repeat": action.repeat or 1,
        "interval": format(action.interval or 0, "g"),
    }


def wire_order(secondary: str) -> str:
    """16 digits with all bytes as they are on the wire: the identification number least significant first."""
    digits = secondary[:8]
    return "".join(digits[index : index + 2] for index in (6, 4, 2, 0)) + secondary[8:]
