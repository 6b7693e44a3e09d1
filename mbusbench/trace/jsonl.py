"""Traces as JSON, one object a line (docs/trace.md): a header, then events with all their keys, always in one order.

Only ASCII, integers and null are written, so the same events are the same bytes on every Python. The reader ignores
keys that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from mbusbench.errors import MBusUsageError
from mbusbench.line.wire import Parity
from mbusbench.trace.event import Kind, TraceEvent
from mbusbench.trace.header import FORMAT, VERSION, TraceHeader
from mbusbench.trace.recorder import Trace

LONGEST_LINE = 4 * 2**20
"""Characters; a line beyond that is no event of ours."""
MOST_EVENTS = 5_000_000
"""What is read of one file: a trace is held in memory as a whole."""
_KINDS = {kind.value: kind for kind in Kind}
_PARITIES = {parity.value: parity for parity in Parity}


def encode_header(header: TraceHeader) -> str:
    """The first line, without its end."""
    fields = {
        "format": FORMAT,
        "version": VERSION,
        "bus": header.bus,
        "seed": header.seed,
        "epoch": header.epoch.isoformat(),
    }
    return json.dumps(fields, separators=(",", ":"))


def encode_event(event: TraceEvent) -> str:
    """A line, without its end."""
    time, kind, port, source, data, duration, baud, parity, parity_errors, framing_errors, cause, delay, lag = event
    return (
        f'{{"time":{time},"kind":"{kind._value_}","port":{_number(port)},"source":{_text(source)},"data":"{data.hex()}",'
        f'"duration":{duration},"baud":{baud},"parity":"{parity._value_}",'
        f'"parity_errors":{_list(parity_errors)},"framing_errors":{_list(framing_errors)},'
        f'"cause":{_texts(cause)},"delay":{_number(delay)},"lag":{_number(lag)}}}'
    )


def _number(value: int | None) -> int | str:
    return "null" if value is None else value


def _list(values: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, values))}]" if values else "[]"


@lru_cache(1024)
def _text(text: str) -> str:
    return json.dumps(text)


@lru_cache(1024)
def _texts(texts: tuple[str, ...]) -> str:
    return json.dumps(texts, separators=(",", ":"))


def encode_trace(header: TraceHeader, events: Iterable[TraceEvent]) -> str:
    """The whole file."""
    return "\n".join((encode_header(header), *map(encode_event, events), ""))


def read_trace(lines: Iterable[str], name: str = "trace") -> Trace:
    """The trace in the lines of a file called `name`; MBusUsageError with a line number where it is none.

    A last line that is cut off, as a program that was killed leaves it, is left out: the trace is `incomplete`.
    """
    source = iter(lines)
    header = _read_header(next(source, ""), name)
    events: list[TraceEvent] = []
    incomplete = False
    for number, line in enumerate(_whole(source), 2):
        if line is None:
            incomplete = True
            break
        if len(events) == MOST_EVENTS:
            raise MBusUsageError(f"{name}:{number}: a trace of more than {MOST_EVENTS} events is not read")
        if not line.isspace():
            events.append(_read_event(line, f"{name}:{number}"))
    return Trace(header, tuple(events), incomplete)


def _whole(lines: Iterator[str]) -> Iterator[str | None]:
    for line in lines:
        yield line if line.endswith("\n") or _is_json(line) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _object(line: str, where: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise MBusUsageError(f"{where}: a line of more than {LONGEST_LINE} characters is no event")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MBusUsageError(f"{where}: this is no JSON object")
    return found


def _read_header(line: str, name: str) -> TraceHeader:
    where = f"{name}:1"
    if not line.startswith("{"):
        raise MBusUsageError(f"{where}: this is no trace: the first line is no JSON object")
    fields = _object(line, where)
    if fields.get("format") != FORMAT:
        raise MBusUsageError(f"{where}: this is no trace: the first line has no 'format' {FORMAT!r}")
    if fields.get("version") != VERSION:
        raise MBusUsageError(
            f"{where}: version {fields.get('version')!r:.20} of the format is not known, only {VERSION}"
        )
    epoch = _field(fields, "epoch", _is_text, where)
    try:
        moment = datetime.fromisoformat(epoch)
    except ValueError:
        raise MBusUsageError(f"{where}: 'epoch' is no date and time") from None
    return TraceHeader(_field(fields, "bus", _is_text, where), _field(fields, "seed", _is_integer, where), moment)


def _read_event(line: str, where: str) -> TraceEvent:
    fields = _object(line, where)
    return TraceEvent(
        _field(fields, "time", _is_integer, where),
        _KINDS[_field(fields, "kind", _is_kind, where)],
        _field(fields, "port", _is_integer_or_null, where),
        _field(fields, "source", _is_text, where),
        bytes.fromhex(_field(fields, "data", _is_hex, where)),
        _field(fields, "duration", _is_duration, where),
        _field(fields, "baud", _is_duration, where),
        _PARITIES[_field(fields, "parity", _is_parity, where)],
        tuple(_field(fields, "parity_errors", _is_integer_list, where)),
        tuple(_field(fields, "framing_errors", _is_integer_list, where)),
        tuple(_field(fields, "cause", _is_text_list, where)),
        _field(fields, "delay", _is_integer_or_null, where),
        _field(fields, "lag", _is_integer_or_null, where),
    )


def _field(fields: dict[str, Any], name: str, check: Callable[[object], bool], where: str) -> Any:
    if name not in fields:
        raise MBusUsageError(f"{where}: {name!r} is missing")
    value = fields[name]
    if not check(value):
        raise MBusUsageError(f"{where}: {name!r} cannot be {json.dumps(value)[:40]}")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_hex(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        bytes.fromhex(value)
    except ValueError:
        return False
    return True


def _is_kind(value: object) -> bool:
    return isinstance(value, str) and value in _KINDS


def _is_parity(value: object) -> bool:
    return isinstance(value, str) and value in _PARITIES


def _is_integer(value: object) -> bool:
    return type(value) is int


def _is_integer_or_null(value: object) -> bool:
    return value is None or type(value) is int


def _is_duration(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_integer_list(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
