"""Somebody polls by himself, on a port of its own and on the wall clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mbusbench.errors import MBusError, MBusUsageError
from mbusbench.master import MBusMaster
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.output.results import MasterResult
from mbusbench.scenario.run.passive import UNKNOWABLE, PassiveRun, transport_of, watchable
from mbusbench.scenario.run.runner import Options, without
from mbusbench.scenario.run.selection import read_cases, sanity_at_the_ends
from mbusbench.scenario.verdict import Column, ExitCode, Verdict
from tests.cli.invoking import invoke
from tests.scenario.cases import catalogue
from tests.scenario.suites import scenario

PASSIVE = "title: {}\npassive: true\nsteps: {{read: 5}}\nexpect: {{wire: {}, report: value}}\n"
CASES = {
    "SAN-01": PASSIVE.format("clean", "[{frames: REQ_UD2 5, count: 1-}]"),
    "TST-01": PASSIVE.format("sequence of an unknown poller", "[SND_NKE 5, SND_NKE 5, SND_NKE 5]"),
    "TST-02": PASSIVE.format("frames", "[{never: REQ_UD2 5}]"),
    "TST-03": PASSIVE.format("fault of another meter", "[{frames: REQ_UD2 5, count: 1-}]")
    + "faults: [{name: elsewhere, on: 9, frame: RSP_UD, do: drop}]\n",
    "TST-04": "title: not for watching\nsteps: {read: 5}\nexpect: {report: value}\n",
}


@contextmanager
def polling(where: list[str]) -> Iterator[None]:
    """Reads meter 5 again and again, at the URL that `where` gets."""
    stop = threading.Event()

    async def poll() -> None:
        while not stop.is_set():
            if where:
                try:
                    async with MBusMaster(where[0], reconnect=0.2) as master:
                        await master.query(5)
                except MBusError:
                    pass
            await asyncio.sleep(0.3)

    thread = threading.Thread(target=lambda: asyncio.run(poll()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def watched(directory: Path, duration: float = 60.0, *, poll: bool = True) -> tuple[MasterResult, list[str]]:
    for name, text in CASES.items():
        (directory / f"{name}.yaml").write_text(scenario(name, text), encoding="utf-8")
    said: list[str] = []
    where: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        if line.startswith("poll address 5 at socket://"):
            where.append(line.partition(" at ")[2].partition(",")[0])

    variants = sanity_at_the_ends(read_cases([directory]))
    run = PassiveRun(
        "passive", "tcp", variants, Options(), lambda _: "", duration=duration, quiet=0.05, tell=tell, turn=0.1
    )
    with polling(where if poll else []):
        run.run()
    return run.result(), said


def test_poller_is_judged_by_single_frames_and_invariants_and_not_by_what_nobody_knows(tmp_path: Path) -> None:
    result, said = watched(tmp_path)
    assert result.problem is None
    found = {case.id: case for case in result.cases}
    assert {name: str(case.verdict) for name, case in found.items()} == {
        "SAN-01": "pass",
        "TST-01": "pass",
        "TST-02": "fail",
        "TST-03": "not-applicable",
        "TST-04": "not-applicable",
    }
    assert Column.REPORT not in found["SAN-01"].columns
    assert found["TST-02"].columns[Column.WIRE] is Verdict.FAIL
    assert found["TST-03"].variants[0].reason == "what was polled never met elsewhere"
    assert found["TST-04"].variants[0].reason == "cannot be judged by watching alone"
    assert [line.partition(":")[0] for line in said[1:]] == ["SAN-01", "TST-01", "TST-02", "TST-03"]
    assert result.exit_code == ExitCode.FAILED


def test_nobody_who_polls_is_exit_code_3(tmp_path: Path) -> None:
    result, _ = watched(tmp_path, 0.3, poll=False)
    assert "nobody polled the bus at tcp://127.0.0.1:" in (result.problem or "")
    assert result.exit_code == ExitCode.NO_MASTER


def test_place_has_to_stay_the_same() -> None:
    assert [transport_of(each) for each in ("tcp://:1", "rfc2217://:1", "pty:///tmp/x", "serial:///dev/x")] == [
        "tcp",
        "rfc2217",
        "tty",
        "tty",
    ]
    with pytest.raises(MBusUsageError, match="pty:///tmp/mbus0"):
        transport_of("pty://")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("conform", "--master", "passive"), "--master passive needs --for"),
        (("conform", "--master", "passive", "--for", "ten"), "'ten' is no duration"),
        (("conform", "--master", "passive", "--for", "1s", "--master", "builtin"), "not with --transport, --jobs or"),
        (("conform", "--master", "passive", "--for", "1s", "--listen", "pty://"), "a pseudo terminal needs a path"),
        (("conform", "--for", "1s"), "go with --master passive"),
        (("run", "nowhere", "--master", "passive"), "conform --master passive"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = invoke(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


class _Unreported(BuiltinMaster):
    """Polls as it is told to, and tells nobody what came of it."""

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        return replace(await super().perform(action, access), report=None)


@pytest.mark.parametrize(
    "variant", [each for each in catalogue() if each.definition.passive], ids=lambda variant: variant.name
)
def test_our_master_passes_what_can_be_told_by_watching(variant: Variant) -> None:
    watched = replace(variant, definition=watchable(variant.definition, 600))
    judgement = run_variant(without(watched, UNKNOWABLE), _Unreported(), 7)
    assert judgement.verdict is Verdict.PASS, (judgement.reason, *map(str, judgement.findings))
    assert Column.REPORT not in judgement.columns
