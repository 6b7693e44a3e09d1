"""How mutants are made: by options of our master, by patches, or by a report that is changed.

`patched(MasterFcb, success=...)` gives what `Mutant.master` takes; several are nested by `together`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.report import MeterReport
from tests.scenario.cases import Liar

Making = Callable[[], AbstractContextManager[MasterUnderTest]]


def with_options(**options: Any) -> Making:
    """Our master with other arguments."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        yield BuiltinMaster(options)

    return make


def patched(owner: object, **replacements: Any) -> Making:
    """Our master while attributes of a class, or names of a module, are others."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        with patch.multiple(owner, **replacements):
            yield BuiltinMaster()

    return make


def lying(change: Callable[[list[MeterReport]], list[MeterReport]]) -> Making:
    """Our master, with other entries in its report."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        yield Liar(change)

    return make


def together(*makings: Making) -> Making:
    """All these defects in one; the master is the one that the last of them makes."""

    @contextmanager
    def make() -> Iterator[MasterUnderTest]:
        with ExitStack() as stack:
            master: MasterUnderTest = BuiltinMaster()
            for each in makings:
                master = stack.enter_context(each())
            yield master

    return make
