"""Random fault schedules, and their reduction: a bug that needs two faults in order is found and shrunk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mbusbench.bus.fault import FaultDefinition
from mbusbench.bus.fault_kinds import KINDS
from mbusbench.cli.main import run
from mbusbench.codec.control_field import FCB
from mbusbench.codec.frame import ShortFrame
from mbusbench.protocol.master_link import MasterLink
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.exploring.explore import Setting, explore, explore_one, failures, run_schedule
from mbusbench.scenario.exploring.keeping import kept
from mbusbench.scenario.exploring.schedule import drawn, own_faults
from mbusbench.scenario.exploring.shrink import Shrinking, simpler_entries
from mbusbench.scenario.file.matrix import read_scenario
from mbusbench.scenario.verdict import Verdict
from tests.scenario.cases import CATALOGUE, case, written

SEEDS = range(40)
SETTING = Setting()


def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that counts the frame as answered when, in one exchange, an answer is damaged and the next one lost."""
    failed = MasterLink._attempt_failed
    history: dict[MasterLink, list[bool]] = {}

    def attempt_failed(self: MasterLink, now: int) -> bytes:
        seen = history.setdefault(self, [])
        if self._attempt == 1:
            seen.clear()
        seen.append(self._damaged)
        if seen == [True, False] and self._exchange is not None and type(self._exchange.request) is ShortFrame:
            frame = self._exchange.request
            if frame.control != 0x40:
                self._request = ShortFrame(frame.control ^ FCB, frame.address).encode()
        return failed(self, now)

    monkeypatch.setattr(MasterLink, "_attempt_failed", attempt_failed)


def test_every_kind_of_fault_is_drawn_and_every_schedule_is_one() -> None:
    (variant,) = case("APL-MUL-01")
    kinds = set()
    for seed in range(400):
        for entry in drawn(variant, seed):
            definition = FaultDefinition.model_validate(entry)
            kinds |= {effect.name for effect in definition.do}
    assert kinds == set(KINDS)


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    (variant,) = case("SAN-01")
    assert drawn(variant, 3) == drawn(variant, 3)
    assert drawn(variant, 3) != drawn(variant, 4)
    assert {len(drawn(variant, seed, 2)) for seed in range(50)} == {1, 2}


@pytest.mark.parametrize(
    "name", ["SAN-01", "APL-MUL-01", "LL-CHK-01", "LL-RTY-01", "LL-FCB-03", "SEC-SEL-01", "CFG-ADR-01", "ADR-SCN-01"]
)
def test_our_master_survives(name: str) -> None:
    for variant in case(name)[:1]:
        for each in explore(variant, SEEDS, BuiltinMaster()):
            judgement = each.judgement
            assert judgement.verdict in (Verdict.PASS, Verdict.NON_STRICT), (
                each.seed,
                judgement.reason,
                *map(str, judgement.findings),
            )


def test_a_bug_that_needs_two_faults_in_order_is_found_and_shrunk_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _forgetful(monkeypatch)
    (variant,) = case("APL-MUL-01")
    failed = [each for each in explore(variant, range(300), BuiltinMaster()) if each.judgement.verdict is Verdict.FAIL]
    assert failed
    found = []
    for each in failed[:3]:
        shrinking = Shrinking(lambda schedule: run_schedule(variant, schedule, BuiltinMaster(), SETTING))
        schedule = shrinking.shrink(each.schedule)
        assert schedule is not None
        assert 2 <= len(schedule) <= 3
        assert failures(run_schedule(variant, schedule, BuiltinMaster(), SETTING)) & failures(each.judgement)
        found.append(schedule)
    assert any(len(schedule) == 2 for schedule in found)


def test_what_is_kept_fails_until_the_master_is_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (variant,) = case("APL-MUL-01")
    schedule = [
        {"name": "damaged", "frame": "RSP_UD", "exactly": 1, "do": "checksum"},
        {"name": "lost", "frame": "RSP_UD", "exactly": 2, "do": "drop"},
    ]
    path = tmp_path / "kept.yaml"
    path.write_text(kept(variant, schedule, tmp_path, title="kept", letter="7"), encoding="utf-8")
    (again,) = read_scenario(path)
    assert again.name == "APL-MUL-01-X7"
    assert run_variant(again, BuiltinMaster()).verdict is Verdict.PASS
    _forgetful(monkeypatch)
    assert "INV-05" in failures(run_variant(again, BuiltinMaster()))


def test_devices_and_files_of_the_scenario_are_found_from_where_it_is_kept(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "meter.yaml").write_text(
        "format: 1\ndevice: {manufacturer: HYD, version: 1, medium: water, id: 12345678, address: 5}\n"
        "telegrams: [{records: [{vif: volume, unit: l, code: bcd8, value: 7}]}]\n"
    )
    (inside / "case.yaml").write_text(
        "scenario: 1\nid: TST-01\ntitle: a test\nbus: {meters: [{device: meter.yaml}]}\nsteps: {read: 5}\n"
    )
    (variant,) = read_scenario(inside / "case.yaml")
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.yaml").write_text(kept(variant, [{"name": "x", "do": "drop", "exactly": 1}], other, title="kept"))
    (again,) = read_scenario(other / "kept.yaml")
    assert run_variant(again, BuiltinMaster()).verdict is Verdict.PASS


def test_faults_that_a_step_names_stay(tmp_path: Path) -> None:
    (variant,) = written(
        tmp_path,
        "faults: [{name: mine, do: drop, exactly: 1}]\nsteps: [{arm: mine}, {read: 5}]\n",
    )
    shrinking = Shrinking(
        lambda schedule: run_schedule(variant, schedule, BuiltinMaster({"retries": 0, "timeout": 12}), SETTING),
        frozenset({"mine"}),
    )
    schedule = shrinking.shrink([*own_faults(variant), {"name": "random 1", "frame": "RSP_UD", "do": "drop"}])
    assert schedule is not None
    assert "mine" in [entry["name"] for entry in schedule]


def test_a_schedule_that_does_not_fail_is_not_shrunk() -> None:
    (variant,) = case("SAN-01")
    assert Shrinking(lambda schedule: run_schedule(variant, schedule, BuiltinMaster(), SETTING)).shrink([]) is None


def test_each_simpler_fault_is_a_fault_and_another_one() -> None:
    entry = {"name": "x", "on": 5, "every": 3, "times": 2, "do": {"gaps": {"duration": "34.5ms", "after": 7}}}
    simpler = list(simpler_entries(entry))
    assert {"name": "x", "on": 5, "every": 3, "times": 2, "do": "drop"} in simpler
    assert {"name": "x", "on": 5, "exactly": 2, "do": {"gaps": {"duration": "34.5ms", "after": 7}}} in simpler
    assert entry not in simpler
    assert len({json.dumps(each) for each in simpler}) == len(simpler)


def test_where_no_random_fault_acts_the_scenarios_expectations_count(tmp_path: Path) -> None:
    (variant,) = written(tmp_path, "steps: {read: 5}\nexpect: {report: no-answer}\n")
    results = [explore_one(variant, seed, BuiltinMaster(), SETTING) for seed in range(20)]
    assert {each.judgement.verdict for each in results if each.is_plain} == {Verdict.FAIL}
    assert {each.judgement.verdict for each in results if not each.is_plain} <= {Verdict.PASS, Verdict.NON_STRICT}
    assert {each.is_plain for each in results} == {True, False}


def test_commands_find_shrink_and_keep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(CATALOGUE / "APL-MUL-01.yaml")
    assert run(["explore", path, "--seeds", "0..10"]) == 0
    assert "11 schedules" in capsys.readouterr().out
    _forgetful(monkeypatch)
    assert run(["explore", path, "--seeds", "0..250", "--first", "--jobs", "1", "--keep", str(tmp_path / "kept")]) == 1
    out = capsys.readouterr().out
    assert "INV-05" in out
    words = out.split("mbusbench shrink ")[1].split()
    seed = words[words.index("--seed") + 1]
    target = tmp_path / "small.yaml"
    assert run(["shrink", path, "--seed", seed, "--out", str(target)]) == 0
    assert "left after" in capsys.readouterr().out
    assert run(["run", str(target), "--jobs", "1"]) == 1
    capsys.readouterr()
    (large,) = (tmp_path / "kept").iterdir()
    assert run(["shrink", str(large)]) == 0
    assert capsys.readouterr().out.startswith("# Shrunk from APL-MUL-01-X")
    monkeypatch.undo()
    assert run(["run", str(target), "--jobs", "1"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explore", "nowhere.yaml"], "nowhere.yaml"),
        (["explore", str(CATALOGUE / "SAN-01.yaml"), "--seeds", "9..3"], "9..3 is not a range of seeds"),
        (["explore", str(CATALOGUE / "SAN-01.yaml"), "-k", "nothing"], "none of the 1 cases"),
        (["explore", str(CATALOGUE / "SAN-01.yaml"), "--without", "INV-99"], "INV-99 is no invariant"),
        (["shrink", str(CATALOGUE / "SAN-01.yaml"), "--master", "nobody"], "nobody"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_nothing_to_shrink_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["shrink", str(CATALOGUE / "SAN-01.yaml"), "--seed", "1"]) == 1
    assert "nothing to shrink" in capsys.readouterr().err


_TRACES = """
import hashlib, sys
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.exploring.explore import explore
from tests.scenario.cases import case
for name in ("APL-MUL-01", "SEC-SEL-01"):
    for each in explore(case(name)[0], range(12), BuiltinMaster()):
        events = each.judgement.observation.events
        print(name, each.seed, hashlib.sha256(repr(events).encode()).hexdigest(), each.judgement.verdict)
"""


def test_the_same_seeds_give_the_same_traces_in_any_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _TRACES],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
