"""Masters under test: a process that speaks driver protocol 1, a tool through templates, ours, or whoever polls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.claims import Claims

if TYPE_CHECKING:
    from mbusbench.scenario.observation import StepResult

__all__ = ["Action", "BusAccess", "Claims", "MasterUnderTest"]


class MasterUnderTest(Protocol):
    """`is_virtual`: it lives in this process and takes the bus itself, in whatever time the event loop has."""

    @property
    def name(self) -> str: ...

    @property
    def claims(self) -> Claims: ...

    @property
    def is_virtual(self) -> bool: ...

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        """Do it, and say what came of it. Whatever the master does wrong is in the result."""
        ...
