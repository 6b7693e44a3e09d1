"""Masters as processes: every way in which one can end, and what it is given."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mbusbench.scenario.driver import process
from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.process import ProcessMaster
from tests.scenario.drivers import NOWHERE, driver_file, line, master_of

READ = Action("read", addresses=(5,), deadline=20)


@pytest.mark.parametrize(
    ("script", "outcome", "problem"),
    [
        (f"print('log'); print('''{line()}''')", "done", None),
        (f"print('''{line(False)}'''); raise SystemExit(1)", "done", None),
        ("raise SystemExit(127)", "unsupported", None),
        (f"print('''{line()}'''); raise SystemExit(127)", "unsupported", None),
        ("print('hello')", "crash", 'no lines with "mbus": 1'),
        (f"print('''{line()}'''); print('''{line()}''')", "crash", "2 lines"),
        (f"print('''{line()}'''); raise SystemExit(1)", "crash", "exit status 1 with ok: true, expected exit status 0"),
        (f"print('''{line(False)}''')", "crash", "exit status 0 with ok: false"),
        (f"print('''{line()}'''); raise SystemExit(3)", "crash", "exit status 3: a driver leaves with"),
        ("import os; os.kill(os.getpid(), 11)", "crash", "signal 11"),
        ("raise ValueError('x')", "crash", "no lines"),
        ('print(\'{"mbus": 1, "ok": 1, "meters": []}\')', "crash", "ok: 1 is not true or false"),
        (f"import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\x00\\n'); print('''{line()}''')", "done", None),
    ],
)
async def test_every_end_of_a_process_has_its_outcome(
    tmp_path: Path, script: str, outcome: str, problem: str | None
) -> None:
    result = await master_of(tmp_path, script).perform(READ, NOWHERE)
    assert result.outcome == outcome, result
    assert (result.report is not None) or outcome != "done"
    assert result.problem is None if problem is None else problem in (result.problem or "")


async def test_process_that_does_not_end_is_terminated_and_hangs(tmp_path: Path) -> None:
    script = "import signal\nsignal.signal(15, lambda *_: (print('bye', flush=True), exit(0)))\nsignal.pause()"
    result = await master_of(tmp_path, script).perform(Action("read", deadline=1.0), NOWHERE)
    assert (result.outcome, result.problem) == ("hang", "not at its end after 1 s")
    assert "bye" in result.output


async def test_process_that_ignores_termination_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    script = "import signal\nsignal.signal(15, signal.SIG_IGN)\nwhile True: signal.pause()"
    result = await master_of(tmp_path, script).perform(Action("read", deadline=0.8), NOWHERE)
    assert (result.outcome, result.exit_status) == ("hang", -9)


async def test_what_a_process_leaves_behind_does_not_outlive_it(tmp_path: Path) -> None:
    script = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
print('''{line()}''', flush=True)
"""
    result = await master_of(tmp_path, script).perform(READ, NOWHERE)
    assert result.outcome == "done"
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    async with asyncio.timeout(10):
        while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
            await asyncio.sleep(0.01)


async def test_output_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_OUTPUT", 1000)
    result = await master_of(tmp_path, "print('x' * 100_000)").perform(READ, NOWHERE)
    assert result.outcome == "crash"
    assert "MB of output" in (result.problem or "")
    assert len(result.output) <= 1000


async def test_program_that_is_not_there_is_a_crash_without_exit_status(tmp_path: Path) -> None:
    master = ProcessMaster(driver_file(tmp_path, command=["no-such-program"]), tmp_path)
    result = await master.perform(READ, NOWHERE)
    assert (result.outcome, result.exit_status) == ("crash", None)
    assert result.problem == "no-such-program cannot be started: No such file or directory"


SHOW = """
import json, os, sys
given = {name: value for name, value in os.environ.items() if name.startswith(("MBUS_", "MINE"))}
given["stdin"] = sys.stdin.read()
print(json.dumps({"mbus": 1, "ok": True, "error": None, "detail": json.dumps(given), "meters": []}))
"""


async def test_arguments_are_in_the_environment_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBUS_KEY", "00" * 16)
    monkeypatch.setenv("MINE_TOO", "kept")
    action = Action("read", addresses=(5, 300), repeat=3, interval=1.5, timeout=0.15, retries=0, deadline=20)
    access = BusAccess("rfc2217://127.0.0.1:4321", "rfc2217", baud=9600)
    result = await master_of(tmp_path, SHOW, env={"MINE": "yes"}).perform(action, access)
    assert result.report is not None, result
    assert json.loads(result.report.detail or "") == {
        "MBUS_PROTOCOL": "1",
        "MBUS_ACTION": "read",
        "MBUS_URL": "rfc2217://127.0.0.1:4321",
        "MBUS_TRANSPORT": "rfc2217",
        "MBUS_HOST": "127.0.0.1",
        "MBUS_PORT": "4321",
        "MBUS_BAUD": "9600",
        "MBUS_PARITY": "even",
        "MBUS_ADDRESS": "5,300",
        "MBUS_REPEAT": "3",
        "MBUS_INTERVAL": "1.5",
        "MBUS_TIMEOUT": "0.15",
        "MBUS_RETRIES": "0",
        "MBUS_DEADLINE": "20",
        "MINE": "yes",
        "MINE_TOO": "kept",
        "stdin": "",
    }


async def test_terminal_has_a_device_and_no_port(tmp_path: Path) -> None:
    result = await master_of(tmp_path, SHOW).perform(Action("search"), BusAccess("/dev/pts/3", "tty"))
    assert result.report is not None
    given = json.loads(result.report.detail or "")
    assert given["MBUS_DEVICE"] == "/dev/pts/3"
    assert given["MBUS_SECONDARY"] == "F" * 16
    assert "MBUS_PORT" not in given


@pytest.mark.parametrize(
    "action",
    [
        Action("read", addresses=(5, 6), repeat=2, interval=0.5, timeout=0.15, retries=2, max_telegrams=4),
        Action("set-address", secondary=("1234567824232807",), new_address=256, key="00" * 16),
        Action("write", addresses=(255,), data=("51046D2D2D1135", "5010"), deadline=12.5),
        Action("set-baud", addresses=(5,), new_baud=9600),
        Action("set-clock", addresses=(5,), time="2024-05-17T13:45:00"),
        Action("app-reset", addresses=(5,), subcode="50"),
        Action("scan", range="0-20"),
    ],
)
def test_action_comes_back_from_its_environment(action: Action) -> None:
    assert Action.from_environment(action.environment()) == action
