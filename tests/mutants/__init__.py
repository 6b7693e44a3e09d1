"""Masters with one defect each: what the catalogue is tested by.

A mutant is our master with an option, a patched method or another report. `every_mutant` collects `MUTANTS` of the
modules beside this one, one for each family of cases.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.verdict import Column, Verdict

_WITHOUT_MUTANTS = {"links", "making"}


@dataclass(frozen=True)
class Mutant:
    """A master with `defect`, and the case and column that it has to fail in.

    `name` is MUT-<case>, with a letter behind it where a case has several. `master` gives the master, and undoes the
    defect when it is left. `at_least` is the least that the column says: NON_STRICT for a SHOULD or MAY.
    `is_sane`: the clean read SAN-01 passes with it.
    """

    name: str
    case: str
    defect: str
    column: Column
    master: Callable[[], AbstractContextManager[MasterUnderTest]]
    at_least: Verdict = Verdict.FAIL
    is_sane: bool = True


def every_mutant() -> list[Mutant]:
    """All of them, in the order of their names."""
    return sorted(_collected(), key=lambda mutant: mutant.name)


def _collected() -> Iterator[Mutant]:
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _WITHOUT_MUTANTS:
            yield from importlib.import_module(f"{__name__}.{module.name}").MUTANTS
