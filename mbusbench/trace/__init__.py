"""What happened on a bus, in order: events, how they are recorded, written and read back, and what they mean.

Everything here is passive. Nothing in it asks for the time or sends anything.
"""

from __future__ import annotations

from mbusbench.trace.event import Kind, TraceEvent, TraceSink

__all__ = ["Kind", "TraceEvent", "TraceSink"]
