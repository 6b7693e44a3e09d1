from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.verdict import Verdict, worst
from tests.mutants import Mutant, every_mutant
from tests.scenario.cases import CATALOGUE, case

SEED = 7
CASES = sorted(path.stem for path in CATALOGUE.glob("*.yaml") if path.name != "common.yaml")
_read = cache(case)


def _judged(name: str, master: MasterUnderTest) -> list[Judgement]:
    variants: list[Variant] = _read(name)
    return [run_variant(variant, master, SEED) for variant in variants]


@pytest.mark.parametrize("mutant", every_mutant(), ids=lambda mutant: mutant.name)
def test_a_mutant_is_failed_by_the_case_that_names_it(mutant: Mutant) -> None:
    with mutant.master() as master:
        judgements = _judged(mutant.case, master)
        sane = _judged("SAN-01", master)
    column = worst(judgement.columns.get(mutant.column) for judgement in judgements)
    wanted = {Verdict.FAIL} if mutant.at_least is Verdict.FAIL else {Verdict.FAIL, Verdict.NON_STRICT}
    assert column in wanted, "\n".join(
        f"{judgement.name} {judgement.reason} {[*map(str, judgement.findings)]}" for judgement in judgements
    )
    if mutant.is_sane:
        assert [judgement.verdict for judgement in sane] == [Verdict.PASS] * len(sane), sane[0].findings


def test_each_case_has_a_mutant_and_each_mutant_a_case() -> None:
    named = {mutant.case for mutant in every_mutant()}
    assert sorted(set(CASES) - named) == []
    assert sorted(named - set(CASES)) == []


def test_mutants_are_named_by_their_case_and_told_apart() -> None:
    names = Counter(mutant.name for mutant in every_mutant())
    assert max(names.values()) == 1
    for mutant in every_mutant():
        assert mutant.name.removeprefix(f"MUT-{mutant.case}").strip("abcdefghijklmnopqrstuvwxyz") == "", mutant.name


def test_a_mutant_is_undone_when_it_is_left() -> None:
    for mutant in every_mutant():
        with mutant.master():
            pass
    assert [judgement.verdict for judgement in _judged("APL-MUL-01", BuiltinMaster())] == [Verdict.PASS]
