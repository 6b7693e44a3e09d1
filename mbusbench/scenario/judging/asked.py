"""INV-11 and INV-14: commands only where they are asked for, each once; a link that nobody knows is reset first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mbusbench.codec.address import BROADCAST
from mbusbench.codec.control_field import SND_NKE, function_code
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.scenario.driver.action import Action
from mbusbench.scenario.expectation.seen import Seen
from mbusbench.scenario.expectation.wire import shown
from mbusbench.scenario.file.pattern import is_selection
from mbusbench.scenario.judging.traffic import MasterFrame
from mbusbench.scenario.observation import PerformedStep
from mbusbench.scenario.verdict import Column, Finding, Verdict
from mbusbench.trace.event import Kind
from mbusbench.trace.exchange import Exchange, Result

_COMMANDS = {
    "set-address": frozenset({0x51, 0x55}),
    "set-baud": frozenset(range(0xB8, 0xC0)),
    "app-reset": frozenset({0x50}),
    "set-clock": frozenset({0x51, 0x55}),
}
_WRITING = frozenset({0x50, 0x51, 0x55, 0x5C, *range(0xB8, 0xC0)})
_FAILURES = 3
_DONE = (Result.ANSWERED, Result.NOT_EXPECTED)


def judge_writes(seen: Seen) -> Iterator[Finding]:
    """INV-11."""
    for step in seen.observation.steps:
        allowed = _allowed(step.action)
        for frame in seen.traffic.frames_between(step.result.started, step.result.ended):
            item = frame.item
            if isinstance(item, LongFrame) and _is_command(item) and item.ci in _WRITING - allowed:
                text = f"nobody asked for this command. Saw {shown(frame)}"
                yield Finding(Column.WIRE, Verdict.FAIL, text, frame.position, "INV-11")
                break
        yield from _twice(step, seen)


def _is_command(item: object) -> bool:
    return isinstance(item, LongFrame) and function_code(item.control) == 3 and not is_selection(item)


def _allowed(action: Action) -> frozenset[int]:
    if action.name == "write":
        return frozenset(int(data[:2], 16) for data in map(_plain, action.data) if data)
    return _COMMANDS.get(action.name, frozenset())


def _plain(data: str) -> str:
    return "".join(data.split()).upper()


def _twice(step: PerformedStep, seen: Seen) -> Iterator[Finding]:
    """A command that was done already. One that nobody acknowledged may be sent again."""
    done: Counter[tuple[int, bytes]] = Counter()
    for exchange in _exchanges(step, seen):
        item = exchange.attempts[0].item
        if not isinstance(item, LongFrame) or not _is_command(item) or item.ci not in _WRITING:
            continue
        key = item.address, bytes([item.ci]) + item.data
        asked = _asked(step.action, item.address, key[1])
        if done[key] >= asked:
            position = seen.traffic.position(exchange.attempts[0].start, Kind.MASTER)
            text = (
                f"each command is sent once, but for repeats. Saw it {done[key] + 1} times: {key[1].hex(' ').upper()}"
            )
            yield Finding(Column.WIRE, Verdict.FAIL, text, position, "INV-11")
            return
        if exchange.result in _DONE:
            done[key] += 1


def _asked(action: Action, address: int, data: bytes) -> int:
    """How often this command was asked for; those that nobody asked for are another matter."""
    targets = action.addresses.count(address) or len(action.secondary) or 1
    written = [_plain(each) for each in action.data].count(data.hex().upper()) if action.name == "write" else 1
    return max(1, targets * max(1, written) * max(1, action.repeat or 1))


def _exchanges(step: PerformedStep, seen: Seen) -> Iterator[Exchange]:
    for exchange in seen.traffic.exchanges:
        if exchange.attempts and step.result.started <= exchange.attempts[0].start < step.result.ended:
            yield exchange


def judge_resets(seen: Seen) -> Iterator[Finding]:
    """INV-14: the first REQ_UD2 to an address, and the first after three failures, follows a reset or a selection."""
    for step in seen.observation.steps:
        failed = _after_failures(step, seen)
        known: set[int] = set()
        told_about: set[int] = set()
        for frame in seen.traffic.frames_between(step.result.started, step.result.ended):
            item = frame.item
            if not isinstance(item, ShortFrame | LongFrame):
                continue
            if item.control == SND_NKE or is_selection(item):
                known |= set(range(256)) if item.address == BROADCAST else {item.address}
            elif _is_request(item):
                if item.address not in known | told_about:
                    yield _unreset("an unknown link is reset first", frame)
                    told_about.add(item.address)
                elif frame.start in failed and item.address not in told_about:
                    yield _unreset(f"a link is reset after {_FAILURES} failures", frame)
                    told_about.add(item.address)


def _unreset(text: str, frame: MasterFrame) -> Finding:
    return Finding(Column.WIRE, Verdict.NON_STRICT, f"{text}. Saw {shown(frame)}", frame.position, "INV-14")


def _is_request(item: ShortFrame | LongFrame) -> bool:
    return isinstance(item, ShortFrame) and function_code(item.control) == 0xB


def _has_telegram(exchange: Exchange) -> bool:
    """Whether one came whole beside what the exchange was judged by: a damaged one may have an E5 in it."""
    return any(frame.ok and isinstance(frame.item, LongFrame) for _, frame in exchange.others)


def _after_failures(step: PerformedStep, seen: Seen) -> set[int]:
    """Start times of the requests that come behind too many failures in a row, without a reset between."""
    retries = step.action.retries
    most = max(_FAILURES, 1 + max(retries or 0, seen.claims.retries or 0))
    failures: Counter[int] = Counter()
    found: set[int] = set()
    for exchange in _exchanges(step, seen):
        item = exchange.attempts[0].item
        if not isinstance(item, ShortFrame | LongFrame):
            continue
        if item.control == SND_NKE or is_selection(item):
            failures.pop(item.address, None)
        elif _is_request(item):
            for attempt in exchange.attempts:
                if failures[item.address] >= most:
                    found.add(attempt.start)
                failures[item.address] += 1
            if exchange.result is Result.ANSWERED or _has_telegram(exchange):
                failures.pop(item.address)
    return found
