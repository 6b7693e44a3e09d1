"""RES-END-01 with ten thousand readouts instead of a hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import read_scenario
from mbusbench.scenario.verdict import Verdict
from tests.scenario.cases import CATALOGUE

pytestmark = pytest.mark.campaign


def test_ten_thousand_readouts_on_a_bad_line_are_all_right_or_named_errors(tmp_path: Path) -> None:
    text = (CATALOGUE / "RES-END-01.yaml").read_text(encoding="utf-8")
    for few, many in (
        ("repeat: 100,", "repeat: 10000,"),
        ("times: 100,", "times: 10000,"),
        ("deadline: 1800s", "deadline: 30d"),
        ("include: common.yaml", f"include: {CATALOGUE / 'common.yaml'}"),
    ):
        assert few in text
        text = text.replace(few, many)
    path = tmp_path / "RES-END-01.yaml"
    path.write_text(text, encoding="utf-8")
    (variant,) = read_scenario(path)
    judgement = run_variant(variant, BuiltinMaster(), 1)
    assert judgement.verdict is Verdict.PASS, (judgement.reason, *map(str, judgement.findings[:5]))
