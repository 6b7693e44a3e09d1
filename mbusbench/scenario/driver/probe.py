"""What is asked of a driver before the first case: that it knows what it does not know, and what it claims."""

from __future__ import annotations

import random
import string

from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.claims import Claims, parse_claims

DEADLINE = 10.0
_LETTERS = 8


async def probe(master: MasterUnderTest, access: BusAccess, seed: int = 0) -> str | None:
    """Ask for an action that cannot exist. None where it was refused as it must be, else what is wrong, in one line.

    It has to leave with 127 within 10 s and to put nothing on the bus.
    """
    letters = random.Random(seed).choices(string.ascii_lowercase, k=_LETTERS)
    action = Action(f"probe-{''.join(letters)}", deadline=DEADLINE)
    before = access.heard()
    result = await master.perform(action, access)
    if result.outcome == "hang":
        return f"{master.name} did not end within {DEADLINE:g} s when asked for an action that does not exist"
    if result.exit_status is None and result.outcome == "crash":
        return f"{master.name} does not start: {result.problem}"
    if result.outcome != "unsupported":
        status = f"exit status {result.exit_status}" if result.exit_status is not None else result.outcome
        return f"{master.name} has to leave with 127 when asked for an action that does not exist, saw {status}"
    count = access.heard() - before
    if count:
        return f"{master.name} put {count} characters on the bus when asked for an action that does not exist"
    return None


async def describe(master: MasterUnderTest, access: BusAccess) -> tuple[str, Claims]:
    """Name and claims of a master: its file's, else what it answers to `describe`, which it need not."""
    if not master.is_virtual and master.claims.model_fields_set == set():
        result = await master.perform(Action("describe", deadline=DEADLINE), access)
        report = result.report
        if result.outcome == "done" and report is not None:
            name = " ".join(filter(None, (report.name, report.version))) or master.name
            given = dict(report.claims or {})
            if report.actions is not None:
                given.setdefault("actions", report.actions)
            claims = parse_claims(given)
            if isinstance(claims, Claims):
                return name, claims
    return master.name, master.claims
