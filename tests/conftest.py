"""Hooks for all tests: `@pytest.mark.virtual_time` runs an async test, and its fixtures, in virtual time.

Hypothesis has no deadlines: a busy machine is no failure.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from hypothesis import settings

from mbusbench.clock import VirtualLoop

settings.register_profile("mbusbench", deadline=None)
settings.load_profile("mbusbench")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: run this async test on the virtual-time event loop")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background so, and every command under test would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualLoop}
    return {"asyncio": asyncio.new_event_loop}
