"""A master as a foreign process: one process for each action, with the arguments of driver protocol 1 around it.

`run_process` starts, bounds and ends a process; `ProcessMaster` speaks the protocol with it. Whatever such a process
does is an outcome: it may crash, hang, print without end, or leave children behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mbusbench.errors import MBusUsageError
from mbusbench.scenario.driver.action import VARIABLES, Action, BusAccess
from mbusbench.scenario.driver.claims import NO_CLAIMS, Claims
from mbusbench.scenario.driver.definition import DriverFile
from mbusbench.scenario.observation import StepOutcome, StepResult
from mbusbench.scenario.report import MAX_LINE, UNSUPPORTED, DriverReport, parse_output, status_contradiction

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
DRAIN = 1.0
"""Seconds for what a process has printed when it has ended, where a child of it holds its pipes."""
MAX_OUTPUT = 2 * MAX_LINE
KEPT_OUTPUT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `status` is negative for a signal and None where it did not start; `problem` says why."""

    status: int | None
    stdout: str
    stderr: str
    hung: bool = False
    problem: str | None = None

    @property
    def output(self) -> str:
        """Both streams as a person reads them, shortened in the middle."""
        return shorten(self.stdout + (f"\n[stderr]\n{self.stderr}" if self.stderr else ""))


def shorten(text: str) -> str:
    """A long text without its middle."""
    if len(text) <= KEPT_OUTPUT:
        return text
    half = KEPT_OUTPUT // 2
    return f"{text[:half]}\n[... {len(text) - KEPT_OUTPUT} characters ...]\n{text[-half:]}"


class _Collector(asyncio.SubprocessProtocol):
    """Keeps what is printed, up to a bound; the rest is read and thrown away."""

    def __init__(self) -> None:
        self.streams: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.too_much = False
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        stream = self.streams[fd]
        if len(stream) + len(data) > MAX_OUTPUT:
            self.too_much = True
        stream += data[: max(0, MAX_OUTPUT - len(stream))]

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def text(self, fd: int) -> str:
        return self.streams[fd].decode("utf-8", "replace")


async def run_process(command: Sequence[str], environment: Mapping[str, str], deadline: float) -> Ended:
    """Run to the end, or for `deadline` seconds. What the process has started itself does not outlive it."""
    loop = asyncio.get_running_loop()
    try:
        transport, collector = await loop.subprocess_exec(
            _Collector,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Ended(None, "", "", problem=f"{command[0]} cannot be started: {reason}")
    pid = transport.get_pid()
    hung = False
    try:
        if not await _within(collector.exited, deadline):
            hung = True
            _signal_group(pid, signal.SIGTERM)
            if not await _within(collector.exited, GRACE):
                _signal_group(pid, signal.SIGKILL)
                await collector.exited
    finally:
        # Also where the caller was cancelled. A group lives as long as anything is left in it.
        _signal_group(pid, signal.SIGKILL)
        await _within(collector.closed, DRAIN)
        transport.close()
    problem = f"more than {MAX_OUTPUT // 1024 // 1024} MB of output" if collector.too_much else None
    if hung:
        problem = f"not at its end after {deadline:g} s"
    return Ended(transport.get_returncode(), collector.text(1), collector.text(2), hung, problem)


async def _within(future: asyncio.Future[None], seconds: float) -> bool:
    done, _ = await asyncio.wait({future}, timeout=seconds)
    return bool(done)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def resolved(command: Sequence[str], directory: Path) -> list[str]:
    """A command with its own placeholders filled, and with files that stand beside the driver file by their path.

    The first word is a program to be looked for in PATH, unless it has a slash.
    """
    words = []
    for index, word in enumerate(command):
        filled = word.replace("{python}", sys.executable).replace("{directory}", str(directory))
        if (index or "/" in filled) and filled and not os.path.isabs(filled) and "{" not in filled:
            beside = directory / filled
            if beside.is_file():
                filled = str(beside)
        words.append(filled)
    return words


class ProcessMaster:
    """A program that speaks driver protocol 1 itself."""

    is_virtual = False

    def __init__(self, definition: DriverFile, directory: Path) -> None:
        if definition.command is None:
            raise MBusUsageError(f"{definition.name} has no command")
        self.name = definition.name
        self.claims: Claims = definition.claims or NO_CLAIMS
        self._command = resolved(definition.command, directory.absolute())
        self._environment = definition.env

    async def perform(self, action: Action, access: BusAccess) -> StepResult:
        """One process. Its result line and its exit status have to agree."""
        started = access.now()
        environment = {**inherited(self._environment), **action.environment(), **access.environment()}
        ended = await run_process(self._command, environment, action.deadline)
        outcome, report, problem = judge(ended)
        return StepResult(
            step=action.step,
            action=action.name,
            report=report,
            outcome=outcome,
            started=started,
            ended=access.now(),
            exit_status=ended.status,
            output=ended.output,
            problem=problem,
        )


def inherited(added: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment and what a driver file adds, without what the protocol says by being absent."""
    return {**{name: value for name, value in os.environ.items() if name not in VARIABLES}, **added}


def judge(ended: Ended) -> tuple[StepOutcome, DriverReport | None, str | None]:
    """The outcome of a process, its report where there is one, and what is wrong where something is."""
    parsed = parse_output(ended.stdout)
    if ended.hung:
        return "hang", parsed.report, ended.problem
    if ended.status is None or ended.problem is not None:
        return "crash", None, ended.problem
    if ended.status == UNSUPPORTED:
        return "unsupported", parsed.report, None
    if ended.status not in (0, 1):
        how = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
        return "crash", parsed.report, f"{how}: a driver leaves with 0, 1 or {UNSUPPORTED}"
    if parsed.report is None:
        return "crash", None, parsed.problem
    contradiction = status_contradiction(parsed.report, ended.status)
    return ("crash" if contradiction else "done"), parsed.report, contradiction
