"""Exchanges as lines for people and as JSON (docs/trace.md)."""

from __future__ import annotations

from typing import Any

from mbusbench.trace.assembly import TimedFrame
from mbusbench.trace.description import describe_frame, printable
from mbusbench.trace.exchange import Exchange, Result
from mbusbench.trace.text import bit_times, milliseconds, seconds

_INDENT = " " * 16


def exchange_lines(exchange: Exchange) -> list[str]:
    """The request with what came of it, then what else came, then the findings with the rule in words."""
    request = exchange.request
    if request is None:
        start = exchange.others[0][1].start
        lines = [f"{seconds(start):>14}  (no request)"]
    else:
        notes = [exchange.sequence.value] if exchange.sequence is not None else []
        if len(exchange.attempts) > 1:
            notes.append(f"{len(exchange.attempts)} attempts")
        said = f" ({', '.join(notes)})" if notes else ""
        came = [] if exchange.result is Result.ANSWERED else [exchange.result.value]
        if exchange.answer is not None:
            came.append(describe_frame(exchange.answer.item)[0])
        lines = [f"{seconds(request.start):>14}  {describe_frame(request.item)[0]}{said} -> {', '.join(came)}"]
        delay, answer = exchange.response_delay, exchange.answer
        if delay is not None and answer is not None:
            bits = f" = {bit_times(delay, answer.baud)}" if answer.baud and delay >= 0 else ""
            lines[0] += f"; after {milliseconds(delay)}{bits}"
    lines += (
        f"{_INDENT}{role.value} at {seconds(frame.start)}: {describe_frame(frame.item)[0]}"
        for role, frame in exchange.others
    )
    lines += (f"{_INDENT}! {finding.rule}: {finding.text}. {finding.words}" for finding in exchange.findings)
    return list(map(printable, lines))


def exchange_fields(exchange: Exchange) -> dict[str, Any]:
    """One exchange as a JSON object."""
    request = exchange.request
    return {
        "request": None if request is None else _frame(request),
        "attempts": [frame.start for frame in exchange.attempts],
        "address": exchange.address,
        "sequence": None if exchange.sequence is None else exchange.sequence.value,
        "result": exchange.result.value,
        "answer": None if exchange.answer is None else _frame(exchange.answer),
        "response_delay": exchange.response_delay,
        "others": [{"role": role.value, **_frame(frame)} for role, frame in exchange.others],
        "findings": [
            {"time": finding.time, "rule": finding.rule, "text": finding.text, "words": finding.words}
            for finding in exchange.findings
        ],
    }


def _frame(frame: TimedFrame) -> dict[str, Any]:
    return {
        "time": frame.start,
        "end": frame.end,
        "source": frame.source,
        "port": frame.port,
        "data": frame.raw.hex(),
        "text": describe_frame(frame.item)[0],
        "ok": frame.ok,
    }
