"""Generators that yield exchanges; the same ones run under asyncio, under virtual time and by hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.outcome import Outcome

Result = TypeVar("Result")

# `outcome = yield exchange`, and the result is returned.
Procedure = Generator[Exchange, Outcome, Result]
