"""Judges somebody who polls by himself (a PLC, a gateway, a SCADA system): one bus at one place, case after case.

Of a case only what can be told without knowing what was asked, and when: its faults, what it says of single frames and
of shortest times, and the invariants. Between cases the bus is quiet, so that each begins with a master in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import monotonic

from mbusbench.bus.endpoint import PtyEndpoint, Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_endpoint
from mbusbench.bus.engine import VirtualBus
from mbusbench.bus.server import BusServer
from mbusbench.errors import MBusUsageError
from mbusbench.scenario.case import Judgement, run_variant
from mbusbench.scenario.driver.action import DEFAULT_DEADLINE, Transport
from mbusbench.scenario.driver.passive import PassiveMaster
from mbusbench.scenario.expectation.definition import Expectation, Forbidden
from mbusbench.scenario.file.definition import ScenarioDefinition
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.file.step import Step
from mbusbench.scenario.output.recording import recorded
from mbusbench.scenario.output.results import VariantResult
from mbusbench.scenario.run.runner import Advance, MasterRun, without
from mbusbench.scenario.run.selection import SANITY_FIRST, SANITY_LAST
from mbusbench.scenario.verdict import Finding, Verdict, worst

UNKNOWABLE = ("INV-08", "INV-13", "INV-14", "INV-18")
"""What depends on where one readout ends and the next begins, or on what was asked for."""
_LESS_SURE = frozenset({"INV-07"})
"""A new poll may look like one more repeat: non-strict."""
Tell = Callable[[str], object]


def nothing(_: object) -> None:
    """Tells nobody."""


@dataclass
class PassiveRun(MasterRun):
    """`duration` and `quiet` are in seconds, of all and between two cases; `listen` is an endpoint of the bus.

    After `turn` seconds without a character of the master, it has had its turn in a case. `tell` gets a line when the
    bus can be polled, and one for each case.
    """

    duration: float = 600.0
    quiet: float = 60.0
    listen: str = "tcp://127.0.0.1:0"
    tell: Tell = nothing
    turn: float = 3.0

    def __post_init__(self) -> None:
        """MBusUsageError where the endpoint is none that stays the same."""
        self.transport = transport_of(self.listen)
        super().__post_init__()
        self._under_test = PassiveMaster(self.turn)

    def run(self, advance: Advance = nothing) -> None:
        """One case after the other, until the time is over; the others are not-applicable."""
        end = monotonic() + self.duration
        wanted = [each for each in self.variants if each.definition.passive and each.id != SANITY_LAST]
        wanted.sort(key=lambda each: each.id != SANITY_FIRST)
        quiet_bus = wanted[0] if wanted else None
        for number, variant in enumerate(wanted):
            left = end - monotonic()
            if left <= 0:
                self._note(variant, f"no time was left after {self.duration:g} s", advance)
                continue
            if number == 0:
                asyncio.run(self._find_place(variant))
            self.tell(f"{variant.name}: {variant.definition.title}")
            result = self._judged(variant, left if number == 0 else min(left, self._deadline()))
            self._found[variant.name] = result
            advance(result)
            if number == 0 and result.verdict is Verdict.NOT_APPLICABLE:
                self._problem = f"nobody polled the bus at {self.listen} within {self.duration:g} s"
                return
            if quiet_bus is not None and number + 1 < len(wanted) and end > monotonic():
                asyncio.run(self._served_quietly(quiet_bus, min(self.quiet, end - monotonic())))
        for variant in self.variants:
            if variant.name not in self._found:
                self._note(variant, "cannot be judged by watching alone", advance)

    def _deadline(self) -> float:
        return max(self.quiet, DEFAULT_DEADLINE)

    def _note(self, variant: Variant, reason: str, advance: Advance) -> None:
        result = VariantResult(
            name=variant.name,
            variant=variant.label,
            verdict=Verdict.NOT_APPLICABLE,
            columns={},
            reason=reason,
        )
        self._found[variant.name] = result
        advance(result)

    async def _find_place(self, variant: Variant) -> None:
        """A free port is chosen once, and kept."""
        endpoint = parse_endpoint(self.listen)
        bus = VirtualBus.from_file(variant.bus, self.options.seed)
        async with BusServer(bus, [(self.listen, bus.options_of(self.listen))]) as server:
            described = server.descriptions[0]
            if isinstance(endpoint, TcpEndpoint | Rfc2217Endpoint):
                self.listen = str(replace(endpoint, port=int(described["port"])))
            addresses = ", ".join(str(meter.address) for meter in bus.meters)
            self.tell(f"poll address {addresses} at {server.url}, {bus.baud} baud; for {self.duration:g} s")

    async def _served_quietly(self, variant: Variant, seconds: float) -> None:
        bus = VirtualBus.from_file(variant.bus, self.options.seed)
        async with BusServer(bus, [(self.listen, bus.options_of(self.listen))]):
            await asyncio.sleep(seconds)

    def _judged(self, variant: Variant, deadline: float) -> VariantResult:
        started = monotonic()
        watched = replace(variant, definition=watchable(variant.definition, deadline))
        judgement = run_variant(
            without(watched, (*self.options.without, *UNKNOWABLE)),
            self._under_test,
            self.options.seed,
            transport=self.transport,
            endpoint=self.listen,
        )
        judgement = replace(_reserved(judgement), repeat=self.repeat(variant))
        return recorded(watched, judgement, monotonic() - started, self._directory)


def transport_of(listen: str) -> Transport:
    """What a master uses that polls there. MBusUsageError where the place would be another one for each case."""
    match parse_endpoint(listen):
        case TcpEndpoint():
            return "tcp"
        case Rfc2217Endpoint():
            return "rfc2217"
        case PtyEndpoint(link=None):
            raise MBusUsageError("a pseudo terminal needs a path that stays the same: pty:///tmp/mbus0")
        case PtyEndpoint() | SerialEndpoint():
            return "tty"


def watchable(definition: ScenarioDefinition, deadline: float) -> ScenarioDefinition:
    """The part of a scenario that can be judged by watching, with so many seconds for each step of the master."""
    return definition.model_copy(
        update={
            "setup": tuple(_step(each, deadline) for each in definition.setup),
            "steps": tuple(_step(each, deadline) for each in definition.steps),
            "expect": _expectation(definition.expect),
            "tolerate": tuple(_expectation(each) for each in definition.tolerate),
            "never": Forbidden(wire=definition.never.wire),
            "assert_all_fired": False,
        }
    )


def _step(step: Step, deadline: float) -> Step:
    steps = tuple(_step(each, deadline) for each in step.steps)
    own = {"deadline": round(deadline * 1e9)} if step.is_masters else {}
    return step.model_copy(update={"steps": steps, **own})


def _expectation(expected: Expectation) -> Expectation:
    """Without what depends on where a readout begins, whom a poller asks, and when; and without reports."""
    wire = [
        each
        for each in expected.wire or ()
        if each.sequence is None and each.order is None and each.only is None and each.per is None
    ]
    timing = [
        each.model_copy(update={"most": None, "tolerated": None})
        for each in expected.timing or ()
        if each.least is not None and each.to != "end"
    ]
    return expected.model_copy(
        update={"wire": tuple(wire) or None, "timing": tuple(timing) or None, "report": None, "state": None}
    )


def _reserved(judgement: Judgement) -> Judgement:
    """What the watcher cannot be sure of is no failure, and a case that never came about is none at all."""
    observation = judgement.observation
    if observation is None:
        return judgement
    silent = [step.result.problem or "" for step in observation.steps if step.result.outcome == "hang"]
    failed = Verdict.FAIL in [each.verdict for each in judgement.findings if each.invariant not in (None, *_LESS_SURE)]
    unfired = [name for name, hits in observation.fired.items() if not hits]
    if silent or (unfired and not failed):
        reason = silent[0] if silent else f"what was polled never met {', '.join(unfired)}"
        return replace(judgement, verdict=Verdict.NOT_APPLICABLE, columns={}, findings=(), reason=reason)
    findings = tuple(_milder(judgement.findings))
    columns = {
        column: worst([Verdict.PASS, *(each.verdict for each in findings if each.column is column)]) or Verdict.PASS
        for column in judgement.columns
    }
    return replace(judgement, findings=findings, columns=columns, verdict=worst(columns.values()) or judgement.verdict)


def _milder(findings: Iterable[Finding]) -> Iterable[Finding]:
    for each in findings:
        sure = each.invariant not in _LESS_SURE or each.verdict is not Verdict.FAIL
        yield each if sure else replace(each, verdict=Verdict.NON_STRICT)
