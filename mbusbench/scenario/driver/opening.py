"""From what a user names to a master under test: `builtin`, `passive`, a shipped driver, or a driver file."""

from __future__ import annotations

import os

from mbusbench.errors import DefinitionError
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.definition import find, names, read_driver_file

BUILTIN = "builtin"
PASSIVE = "passive"


def master_names() -> list[str]:
    """What can be named without a file."""
    return [BUILTIN, PASSIVE, *names()]


def open_master(name: str | os.PathLike[str] = BUILTIN) -> MasterUnderTest:
    """The master by that name or path. DefinitionError where there is none, or its file is wrong."""
    if name == BUILTIN:
        from mbusbench.scenario.driver.builtin import BuiltinMaster

        return BuiltinMaster()
    if name == PASSIVE:
        from mbusbench.scenario.driver.passive import PassiveMaster

        return PassiveMaster()
    path = find(name)
    definition = read_driver_file(path)
    if definition.command is not None:
        from mbusbench.scenario.driver.process import ProcessMaster

        return ProcessMaster(definition, path.parent)
    if definition.actions is None:
        raise DefinitionError(f"{path}: command or actions is missing")
    from mbusbench.scenario.driver.template import TemplateMaster

    return TemplateMaster(definition, path.parent)
