"""`mbusbench driver`: our master speaking driver protocol 1, so that it can be judged as a foreign process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mbusbench.scenario.driver.action import Action
    from mbusbench.scenario.report import DriverReport


@click.command(name="driver")
def command() -> int:
    """Do what the environment says (MBUS_ACTION, MBUS_URL, MBUS_ADDRESS, ...), and print the result line.

    Exit codes: 0 ok, 1 not ok, 2 the environment is wrong, 127 an action that does not exist.
    """
    from mbusbench.cli.bus_access import run
    from mbusbench.errors import MBusUsageError
    from mbusbench.scenario.driver import performing
    from mbusbench.scenario.driver.action import Action
    from mbusbench.scenario.report import UNSUPPORTED

    name = os.environ.get("MBUS_ACTION", "")
    if name and not performing.supports(name):
        return UNSUPPORTED
    if not name:
        raise click.UsageError("MBUS_ACTION is not set: this is called by a bench, see docs/drivers.md")
    try:
        action = Action.from_environment(os.environ)
    except MBusUsageError as error:
        raise click.UsageError(str(error)) from None
    report = run(_perform(action))
    click.echo(report.line())
    return 0 if report.ok else 1


async def _perform(action: Action) -> DriverReport:
    from mbusbench.errors import MBusUsageError
    from mbusbench.master import MBusMaster
    from mbusbench.scenario.driver import performing

    if action.name == "describe":
        return performing.description()
    try:
        baudrate = int(os.environ.get("MBUS_BAUD") or 2400)
        master = MBusMaster(os.environ.get("MBUS_URL", ""), baudrate=baudrate, **performing.options(action))
    except ValueError as error:
        return performing.refused(action, error if isinstance(error, MBusUsageError) else MBusUsageError(str(error)))
    try:
        return await performing.perform(action, master)
    finally:
        await master.close()
