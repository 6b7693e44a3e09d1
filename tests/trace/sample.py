"""One small trace with a bit of everything. Run as a script it prints the trace, for other versions of Python.

python tests/trace/sample.py jsonl|txt|pcapng|exchanges
"""

from __future__ import annotations

import sys

from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.line.wire import Parity
from mbusbench.timing import character_time
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.event import FAULT, FORMAT, OPENED, POWER_CYCLE, REPEAT, Kind, TraceEvent
from mbusbench.trace.files import FORMATS, encode
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Trace
from mbusbench.trace.report import exchange_lines

BAUD = 2400
RESET = ShortFrame(0x40, 5).encode()
REQUEST = ShortFrame(0x7B, 5).encode()
WATER = bytes.fromhex("78563412 2423 01 07 2A 00 0000 0C13 27048502")
TELEGRAM = LongFrame(0x08, 5, 0x72, WATER).encode()
ACKNOWLEDGED = b"\xe5"


def sent(time: int, data: bytes, **fields: object) -> TraceEvent:
    """What the master at port 1 puts on the line."""
    return _event(time, Kind.MASTER, data, {"port": 1, **fields})


def answered(time: int, data: bytes, **fields: object) -> TraceEvent:
    """What slave 5 puts on the line."""
    return _event(time, Kind.SLAVE, data, {"source": "slave 5", **fields})


def received(time: int, data: bytes, **fields: object) -> TraceEvent:
    """What arrives at port 1."""
    return _event(time, Kind.RECEIVED, data, {"port": 1, **fields})


def _event(time: int, kind: Kind, data: bytes, fields: dict[str, object]) -> TraceEvent:
    timing = {"duration": character_time(BAUD, len(data)), "baud": BAUD}
    return TraceEvent(time, kind, data=data)._replace(**{**timing, **fields})


def sample() -> Trace:
    """Reset, readout, a repeat whose answer arrives damaged, noise, a break, a power cycle."""
    ms = 1_000_000
    first_request = 100 * ms
    answer = first_request + character_time(BAUD, 5) + 10 * ms
    second_request = 500 * ms
    again = second_request + character_time(BAUD, 5) + 10 * ms
    damaged = TELEGRAM[:10] + bytes([TELEGRAM[10] ^ 0x10]) + TELEGRAM[11:]
    events = (
        TraceEvent(0, Kind.NOTE, 1, cause=(OPENED,)),
        TraceEvent(ms, Kind.NOTE, 1, baud=BAUD, parity=Parity.EVEN, cause=(FORMAT,)),
        sent(2 * ms, RESET),
        answered(40 * ms, ACKNOWLEDGED, delay=38 * ms - character_time(BAUD, 5)),
        received(40 * ms, ACKNOWLEDGED),
        sent(first_request, REQUEST),
        answered(answer, TELEGRAM, delay=10 * ms),
        received(answer, TELEGRAM[:20]),
        received(answer + character_time(BAUD, 20), TELEGRAM[20:]),
        sent(second_request, REQUEST, lag=1_500_000),
        TraceEvent(again, Kind.NOTE, source="slave 5", cause=(FAULT, "weak driver")),
        answered(again, TELEGRAM, delay=10 * ms, cause=(REPEAT,)),
        received(again, damaged, parity_errors=(10,), cause=("weak driver",)),
        TraceEvent(900 * ms, Kind.NOISE, data=b"\x00\xf8", duration=character_time(BAUD, 2), baud=BAUD),
        TraceEvent(950 * ms, Kind.BREAK, 1, duration=50 * ms),
        TraceEvent(1100 * ms, Kind.NOTE, cause=(POWER_CYCLE,)),
    )
    return Trace(TraceHeader("Bürohaus", 7), events)


def shown(form: str) -> bytes:
    """The sample in a format."""
    trace = sample()
    if form == "exchanges":
        return "".join(f"{line}\n" for each in analyze(trace.events) for line in exchange_lines(each)).encode()
    return encode(trace, FORMATS[form]())


if __name__ == "__main__":
    sys.stdout.buffer.write(shown(sys.argv[1]))
