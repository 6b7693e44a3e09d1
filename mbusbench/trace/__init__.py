"""What happened on a bus, in order: events, how they are recorded, written and read back, and what they mean.

Everything here is passive. Nothing in it asks for the time or sends anything.
"""

from __future__ import annotations

from mbusbench.trace.event import Kind, TraceEvent, TraceSink
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.recorder import Recorder, Trace

__all__ = ["Kind", "Recorder", "Trace", "TraceEvent", "TraceHeader", "TraceSink"]
