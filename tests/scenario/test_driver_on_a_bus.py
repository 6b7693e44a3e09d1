"""Masters under test on a bus that is served: our own in all its forms, the example, nobody, and somebody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mbusbench import MBusMaster
from mbusbench.clock.virtual import run as run_in_virtual_time
from mbusbench.scenario.driver.action import Action, BusAccess, Transport
from mbusbench.scenario.driver.builtin import BuiltinMaster
from mbusbench.scenario.driver.opening import open_master
from mbusbench.scenario.driver.passive import PassiveMaster
from mbusbench.scenario.driver.probe import describe, probe
from mbusbench.scenario.observation import StepResult
from mbusbench.scenario.report import ExpectedRecord, compare_records, contradictions
from tests.scenario.drivers import NOWHERE, master_of, served

ROOT = Path(__file__).parents[2]
SECONDARY = "1234567824232807"
VOLUME = [ExpectedRecord(1234, "l", storage=0, function="instantaneous")]


@pytest.fixture(autouse=True)
def _package_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MBUSBENCH_KEY", raising=False)


def ok(result: StepResult) -> StepResult:
    assert result.outcome == "done", (result.problem, result.output)
    assert result.report is not None
    assert contradictions(result.report, result.action) == []
    return result


def volumes(result: StepResult) -> list[bool]:
    assert result.report is not None
    return [compare_records(meter.records, VOLUME).is_same for meter in result.report.meters]


@pytest.mark.parametrize("transport", ["tcp", "tty", "rfc2217"])
@pytest.mark.parametrize("name", ["mbusbench-driver", "mbusbench-cli"])
async def test_our_master_reads_as_a_foreign_process(tmp_path: Path, name: str, transport: Transport) -> None:
    master = open_master(name)
    async with served(tmp_path, transport) as access:
        result = ok(await master.perform(Action("read", addresses=(5,)), access))
    assert volumes(result) == [True]
    assert result.report is not None
    assert result.report.meters[0].secondary == SECONDARY
    assert result.started < result.ended
    assert access.heard() == 10


ACTIONS = [
    (Action("ping", addresses=(5, 6)), [(5, None), (6, None)]),
    (Action("ping", addresses=(255,)), [(255, "usage")]),
    (Action("read", addresses=(7, 5), retries=0, repeat=2), [(7, "no-answer"), (5, None)] * 2),
    (Action("read", addresses=(300, 251)), [(300, "usage"), (251, "usage")]),
    (Action("read-all", secondary=(SECONDARY,)), [(5, None)]),
    (Action("scan", range="4-7", retries=0), [(5, None), (6, None)]),
    (Action("search", timeout=0.15), [(5, None), (6, None)]),
    (Action("search", secondary=("12345678FFFFFFFF",), timeout=0.15), [(5, None)]),
    (Action("select", secondary=(SECONDARY,)), [(None, None)]),
    (Action("app-reset", addresses=(5,), subcode="50"), [(5, None)]),
    (Action("app-reset", addresses=(5,)), [(5, None)]),
    (Action("app-reset", addresses=(5,), subcode="x"), [(5, "usage")]),
    (Action("set-clock", addresses=(5,), time="2024-05-17T13:45:00"), [(5, None)]),
    (Action("set-clock", addresses=(5,), time="noon"), [(5, "usage")]),
    (Action("alarm", addresses=(5,)), [(5, None)]),
    (Action("write", addresses=(5,), data=("50", "5010")), [(5, None)]),
    (Action("write", addresses=(255,), data=("51046D2D2D1135",)), [(255, None)]),
    (Action("set-address", addresses=(5,), new_address=9), [(9, None)]),
    (Action("set-address", addresses=(5,), new_address=6), [(5, "refused")]),
    (Action("set-address", addresses=(5,), new_address=256), [(5, "usage")]),
    (Action("set-address", addresses=(5,)), [(5, "usage")]),
]


@pytest.mark.parametrize(("action", "entries"), ACTIONS, ids=lambda value: getattr(value, "name", ""))
def test_built_in_master_does_every_action_in_virtual_time(
    tmp_path: Path, action: Action, entries: list[tuple[int | None, str | None]]
) -> None:
    async def perform() -> StepResult:
        async with served(tmp_path, "memory", (5, 6)) as access:
            return await BuiltinMaster().perform(action, access)

    result = ok(run_in_virtual_time(perform()))
    assert result.report is not None
    assert [(meter.address, meter.error) for meter in result.report.meters] == entries
    assert result.report.line()


async def test_driver_command_speaks_for_actions_that_write(tmp_path: Path) -> None:
    master = open_master("mbusbench-driver")
    async with served(tmp_path, addresses=(5, 6)) as access:
        moved = ok(await master.perform(Action("set-address", addresses=(5,), new_address=9), access))
        assert moved.report is not None
        assert moved.report.meters[0].address == 9
        alarm = ok(await master.perform(Action("alarm", addresses=(6,)), access))
        assert '"alarm": null' in alarm.output
        assert alarm.exit_status == 0


async def test_set_baud_changes_the_rate_of_a_terminal(tmp_path: Path) -> None:
    async with served(tmp_path, "tty") as access:
        result = ok(await BuiltinMaster().perform(Action("set-baud", addresses=(5,), new_baud=9600), access))
    assert result.report is not None
    assert result.report.ok, result.report


@pytest.mark.parametrize("name", ["mbusbench-driver", "mbusbench-cli", "builtin"])
async def test_port_that_nobody_listens_at_is_disconnected(name: str) -> None:
    action = Action("read", addresses=(5,))
    result = ok(await open_master(name).perform(action, BusAccess("socket://127.0.0.1:9")))
    assert result.report is not None
    assert [meter.error for meter in result.report.meters] == ["disconnected"]
    assert result.exit_status in (1, 3)


@pytest.mark.parametrize("name", ["builtin", "mbusbench-driver", "mbusbench-cli"])
async def test_our_masters_pass_the_probe(tmp_path: Path, name: str) -> None:
    async with served(tmp_path) as access:
        assert await probe(open_master(name), access) is None


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('print(\'{"mbus": 1, "ok": true, "meters": []}\')', "has to leave with 127"),
        (
            "raise SystemExit(1)",
            "has to leave with 127 when asked for an action that does not exist, saw exit status 1",
        ),
        (
            "import os, socket, sys\nport = int(os.environ['MBUS_PORT'])\n"
            "socket.create_connection(('127.0.0.1', port)).sendall(bytes(3))\nsys.exit(127)",
            "put 3 characters on the bus",
        ),
    ],
)
async def test_driver_that_does_what_it_cannot_know_fails_the_probe(tmp_path: Path, script: str, text: str) -> None:
    async with served(tmp_path) as access:
        assert text in (await probe(master_of(tmp_path, script), access) or "")


async def test_driver_that_does_not_start_fails_the_probe(tmp_path: Path) -> None:
    master = master_of(tmp_path, "")
    master._command = ["no-such-program"]
    assert "does not start: no-such-program cannot be started" in (await probe(master, NOWHERE) or "")


async def test_claims_are_asked_for_where_the_file_has_none(tmp_path: Path) -> None:
    line = '{"mbus": 1, "ok": true, "meters": [], "name": "x", "version": "2", "claims": {"repeat": false}}'
    name, claims = await describe(master_of(tmp_path, f"print('''{line}''')"), NOWHERE)
    assert (name, claims.repeat) == ("x 2", False)
    wrong = master_of(tmp_path, f"print('''{line.replace('repeat', 'again')}''')")
    assert (await describe(wrong, NOWHERE))[0] == "test"


async def test_example_driver_reads_and_tells_what_it_cannot(tmp_path: Path) -> None:
    master = open_master(ROOT / "examples" / "driver.yaml")
    async with served(tmp_path) as access:
        assert await probe(master, access) is None
        result = ok(await master.perform(Action("read", addresses=(5,)), access))
        assert volumes(result) == [True]
        silent = ok(await master.perform(Action("ping", addresses=(5, 7)), access))
    assert silent.report is not None
    assert [meter.error for meter in silent.report.meters] == [None, "no-answer"]


def test_example_driver_is_short() -> None:
    lines = (ROOT / "examples" / "driver.py").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 40


async def test_passive_master_takes_one_turn_of_whoever_polls(tmp_path: Path) -> None:
    async with served(tmp_path) as access:
        watching = asyncio.create_task(PassiveMaster(quiet=0.3).perform(Action("read", deadline=20), access))
        async with MBusMaster(access.url) as somebody:
            await somebody.query(5)
        result = await watching
    assert (result.outcome, result.report) == ("done", None)


async def test_passive_master_that_nobody_polls_hangs() -> None:
    result = await PassiveMaster().perform(Action("read", deadline=0.1), NOWHERE)
    assert (result.outcome, result.problem) == ("hang", "nobody polled the bus within 0.1 s")


def test_built_in_master_ends_at_its_deadline_in_virtual_time(tmp_path: Path) -> None:
    async def perform() -> StepResult:
        async with served(tmp_path, "memory") as access:
            return await BuiltinMaster().perform(Action("scan", deadline=5.0), access)

    result = run_in_virtual_time(perform())
    assert (result.outcome, result.problem) == ("hang", "not at its end after 5 s")
    assert result.ended - result.started == pytest.approx(5e9, rel=0.01)
