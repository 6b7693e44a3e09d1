"""Time under asyncio: the virtual-time event loop, and the wall clock in the same integer nanoseconds.

The only package that reads or bends time; state machines get it as an argument.
"""

from mbusbench.clock.virtual import Deadlock, VirtualLoop, run
from mbusbench.clock.wall import call_at_ns, now_ns, ns_of, utc_now

__all__ = ["Deadlock", "VirtualLoop", "call_at_ns", "now_ns", "ns_of", "run", "utc_now"]
