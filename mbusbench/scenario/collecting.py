"""Scenario files as tests of pytest: one item for each variant, judged against a master, on a bus of its own.

The plugin imports this only where scenarios were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from mbusbench.errors import MBusError
from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver import MasterUnderTest
from mbusbench.scenario.driver.action import TRANSPORTS, Transport
from mbusbench.scenario.driver.opening import open_master
from mbusbench.scenario.file.matrix import Variant, read_scenario
from mbusbench.scenario.output import text
from mbusbench.scenario.output.recording import file_name, recorded
from mbusbench.scenario.output.results import VariantResult
from mbusbench.scenario.run.selection import is_scenario
from mbusbench.scenario.verdict import Verdict
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.jsonl import encode_trace

SUFFIX = ".scenario.yaml"
DIRECTORY = "scenarios"
_NOT_TRIED = (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the ini file say of scenarios. `directory` is for traces; None for no traces."""

    master: str = "builtin"
    transport: Transport = "tcp"
    seed: int = 0
    strict: bool = False
    allow_inconclusive: bool = False
    directory: Path | None = None
    of_all: bool = False


def transport_of(name: str) -> Transport:
    """UsageError where there is no such transport."""
    if name not in TRANSPORTS:
        raise pytest.UsageError(f"mbus_transport: {name!r} is none of {', '.join(TRANSPORTS)}")
    return name


@lru_cache(maxsize=8)
def master_of(name: str) -> MasterUnderTest:
    """UsageError where there is none, or its file is wrong."""
    try:
        return open_master(name)
    except MBusError as error:
        raise pytest.UsageError(f"--mbus-master: {error}") from None


def is_wanted(path: Path) -> bool:
    """`*.scenario.yaml` anywhere, and scenarios in a directory of that name."""
    if path.name.endswith(SUFFIX):
        return True
    if path.suffix not in (".yaml", ".yml") or DIRECTORY not in path.parts:
        return False
    try:
        return is_scenario(path)
    except MBusError:
        return True


class ScenarioFailedError(Exception):
    """A variant that the master did not pass, with what is shown of it."""


class ScenarioFile(pytest.File):
    """A scenario file; its variants are its items."""

    settings: Settings

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, settings: Settings) -> ScenarioFile:
        """The collector of one file."""
        file = cls.from_parent(parent, path=path)
        file.settings = settings
        return file

    def collect(self) -> Iterable[pytest.Item]:
        """One item for each variant."""
        try:
            variants = read_scenario(_near(self.path))
        except MBusError as error:
            raise self.CollectError(str(error)) from None
        for variant in variants:
            item = ScenarioItem.from_parent(self, name=variant.name)
            item.variant = variant
            item.settings = self.settings
            yield item


def _near(path: Path) -> Path:
    """As a person would name it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


class ScenarioItem(pytest.Item):
    """One variant. Fails where the verdict is fail or error, and is skipped where it was not tried."""

    variant: Variant
    settings: Settings

    def runtest(self) -> None:
        """Run and judge it."""
        settings = self.settings
        master = master_of(settings.master)
        named = "" if settings.master == "builtin" else settings.master
        started = monotonic()
        judgement = run_variant(self.variant, master, settings.seed, transport=settings.transport, driver=named)
        result = recorded(self.variant, judgement, monotonic() - started)
        for column, verdict in judgement.columns.items():
            self.user_properties.append((f"mbus {column}", str(verdict)))
        verdict = judgement.verdict
        if verdict in _NOT_TRIED or (verdict is Verdict.INCONCLUSIVE and settings.allow_inconclusive):
            pytest.skip(f"{verdict}: {judgement.reason or _first(judgement)}")
        passed = verdict is Verdict.PASS or (verdict is Verdict.NON_STRICT and not settings.strict)
        saved = self._save(judgement, passed)
        if not passed:
            raise ScenarioFailedError("\n".join([*_shown(self.variant, result), *saved]))
        if verdict is Verdict.NON_STRICT:
            self.add_report_section("call", "M-Bus: non-strict", "\n".join(map(str, judgement.findings)))

    def _save(self, judgement: Judgement, passed: bool) -> list[str]:
        """Where the trace is, in words."""
        settings = self.settings
        if settings.directory is None or judgement.observation is None or (passed and not settings.of_all):
            return []
        worker = getattr(self.config, "workerinput", {}).get("workerid", "")
        path = settings.directory / worker / f"{file_name(self.variant.name)}.jsonl"
        header = TraceHeader(self.variant.name, settings.seed)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(encode_trace(header, judgement.observation.events), encoding="ascii")
        except OSError as error:
            return [f"the trace could not be written to {path}: {error.strerror}"]
        return [f"whole trace: {path}"]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The findings and the log of the line, without a traceback."""
        if isinstance(excinfo.value, ScenarioFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, and what it is called."""
        return self.path, None, f"{self.name}: {self.variant.definition.title}"


def _first(judgement: Judgement) -> str:
    return str(judgement.findings[0]) if judgement.findings else str(judgement.verdict)


def _shown(variant: Variant, result: VariantResult) -> Iterator[str]:
    definition = variant.definition
    yield f"{variant.name}: {definition.title}"
    if definition.rule:
        yield f"rule: {definition.rule}"
    yield f"{text.shown_columns(result.columns) or result.verdict}"
    if result.reason:
        yield text.one_line(result.reason)
    wanted = [each for each in result.findings if each.verdict is not Verdict.PASS]
    yield from (text.one_line(str(each)) for each in wanted[: text.MOST_FINDINGS])
    if len(wanted) > text.MOST_FINDINGS:
        yield f"and {len(wanted) - text.MOST_FINDINGS} more findings"
    yield ""
    yield from text.excerpt(result)
    yield result.repeat
