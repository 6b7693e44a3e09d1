"""Masters of a few lines, and buses for them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from mbusbench.bus.endpoints.driver import driver_of
from mbusbench.bus.engine import VirtualBus
from mbusbench.scenario.driver.action import BusAccess, Transport
from mbusbench.scenario.driver.definition import DriverFile, read_driver_file
from mbusbench.scenario.driver.process import ProcessMaster
from mbusbench.scenario.driver.template import TemplateMaster
from mbusbench.trace.event import Kind, TraceEvent

NOWHERE = BusAccess("socket://127.0.0.1:9")
WATER = {
    "format": 1,
    "device": {"manufacturer": "HYD", "version": 40, "medium": "water", "id": 12345678, "baud": [300, 2400, 9600]},
    "telegrams": [{"records": [{"vif": "volume", "unit": "l", "code": "bcd8", "value": 1234}]}],
}


def master_of(directory: Path, script: str, **keys: Any) -> ProcessMaster:
    """A Python script as a master that speaks the protocol itself."""
    (directory / "master.py").write_text(script, encoding="utf-8")
    return ProcessMaster(driver_file(directory, command=["{python}", "master.py"], **keys), directory)


def tool_of(directory: Path, script: str, actions: Mapping[str, Any]) -> TemplateMaster:
    """A Python script as a tool behind templates."""
    (directory / "tool.py").write_text(script, encoding="utf-8")
    return TemplateMaster(driver_file(directory, actions=dict(actions)), directory)


def driver_file(directory: Path, **keys: Any) -> DriverFile:
    path = directory / "driver.yaml"
    path.write_text(json.dumps({"driver": 1, "name": "test", **keys}), encoding="utf-8")
    return read_driver_file(path)


def line(ok: bool = True, **keys: Any) -> str:
    """A result line of one meter, as a script prints it."""
    error = None if ok else "no-answer"
    return json.dumps({"mbus": 1, "ok": ok, "error": error, "meters": [{"ok": ok, "error": error, **keys}]})


@asynccontextmanager
async def served(
    directory: Path, transport: Transport | Literal["memory"] = "tcp", addresses: tuple[int, ...] = (5,)
) -> AsyncIterator[BusAccess]:
    """A water meter at each address, 2400 Bd, in this process and on the wall clock."""
    (directory / "water.yaml").write_text(json.dumps(WATER), encoding="utf-8")
    meters = [
        {"device": "water.yaml", "address": address, "id": 12345673 + address, "fcb": "strict"} for address in addresses
    ]
    path = directory / "bus.yaml"
    path.write_text(json.dumps({"format": 1, "seed": 1, "meters": meters}), encoding="utf-8")
    bus = VirtualBus.from_yaml(path)
    heard: list[int] = []

    def count(event: TraceEvent) -> None:
        if event.kind is Kind.MASTER:
            heard.append(len(event.data))

    bus.trace = count
    if transport == "memory":
        yield BusAccess("", bus=bus, now=lambda: driver_of(bus).now, heard=lambda: sum(heard))
        return
    endpoint = {"tcp": "tcp://127.0.0.1:0", "tty": "pty://", "rfc2217": "rfc2217://127.0.0.1:0"}[transport]
    async with bus.serve(endpoint) as server:
        yield BusAccess(server.url, transport, now=lambda: driver_of(bus).now, heard=lambda: sum(heard))
