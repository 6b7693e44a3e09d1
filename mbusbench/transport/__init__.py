"""Byte streams to the outside: serial devices, TCP, RFC 2217. I/O only; no frames, no timeouts of the protocol."""

from __future__ import annotations

from mbusbench.transport.opening import open_stream
from mbusbench.transport.stream import Stream

__all__ = ["Stream", "open_stream"]
