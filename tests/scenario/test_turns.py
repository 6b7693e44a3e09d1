"""Which part of the line is which readout, where a master waits as long for an answer as between readouts."""

from __future__ import annotations

from pathlib import Path

from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.verdict import Verdict
from tests.scenario.cases import judged

CUT_OFF = """\
faults: [{name: half, frame: RSP_UD, exactly: [1, 2], do: {truncate: 12}}]
steps: {read: 5, repeat: 3, interval: 1s}
expect: {report: value x3}
"""


def test_a_repeat_after_a_long_wait_is_no_new_readout(tmp_path: Path) -> None:
    judgement = judged(tmp_path, CUT_OFF, BuiltinMaster({"timeout": 1.5, "latency": 1}))
    assert judgement.verdict is Verdict.PASS, judgement.findings
    assert judgement.observation is not None
    waits = [event.time for event in judgement.observation.events if event.kind == "master"]
    assert waits[2] - waits[1] > 1_000_000_000


def test_a_meter_that_is_gone_for_one_readout_is_there_in_the_next(tmp_path: Path) -> None:
    text = """\
faults: [{name: gone, from: 5s, until: 20s, direction: request, do: drop}]
steps: {read: 5, repeat: 3, interval: 10s}
expect: {report: [value, no-answer, value]}
"""
    judgement = judged(tmp_path, text, BuiltinMaster({"timeout": 2}))
    assert judgement.verdict is Verdict.PASS, judgement.findings
