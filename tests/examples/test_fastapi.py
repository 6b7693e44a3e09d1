"""examples/fastapi serves the meters of a virtual bus."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from mbusbench import VirtualBus
from mbusbench.trace.event import TraceEvent

pytest.importorskip("fastapi", reason="fastapi is not installed (extra `examples`)")
httpx = pytest.importorskip("httpx", reason="httpx is not installed (extra `examples`)")

PROGRAM = Path(__file__).resolve().parent.parent.parent / "examples" / "fastapi" / "app.py"

Client = Callable[..., AbstractAsyncContextManager["httpx.AsyncClient"]]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("fastapi_example", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where FastAPI looks up what annotations mean
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(program: ModuleType) -> Client:
    @asynccontextmanager
    async def opened(source: object, **options: float) -> AsyncGenerator[httpx.AsyncClient]:
        application = program.create_app(source, **options)
        async with (
            application.router.lifespan_context(application),
            httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://meters") as found,
        ):
            yield found

    return opened


def _bus() -> VirtualBus:
    bus = VirtualBus.from_devices(["kamstrup/multical-603", "generic/water"])
    bus.set_speed(None)
    return bus


@pytest.mark.virtual_time
async def test_meter_is_read_by_its_primary_and_by_its_secondary_address(client: Client) -> None:
    bus = _bus()
    async with client(bus) as http:
        first = await http.get(f"/meters/{bus.meters[0].address}")
        assert first.status_code == 200
        by_name = await http.get(f"/meters/{first.json()['secondary_address']}")
    assert by_name.json()["serial_number"] == first.json()["serial_number"]
    assert {record["quantity"] for record in first.json()["records"]} >= {"energy", "volume", "flow_temperature"}


@pytest.mark.virtual_time
async def test_one_value_is_given_with_its_unit(client: Client) -> None:
    bus = _bus()
    async with client(bus) as http:
        energy = await http.get(f"/meters/{bus.meters[0].address}/energy")
        nothing = await http.get(f"/meters/{bus.meters[0].address}/credit")
    assert energy.json()["unit"] == "kWh"
    assert energy.json()["value"] > 0
    assert (nothing.status_code, nothing.json()) == (404, {"detail": "the meter sends no credit"})


@pytest.mark.virtual_time
async def test_callers_of_the_same_moment_share_one_readout(client: Client) -> None:
    bus = _bus()
    events: list[TraceEvent] = []
    bus.trace = events.append
    address = bus.meters[1].address
    async with client(bus) as http:
        await asyncio.gather(*(http.get(f"/meters/{address}") for _ in range(20)))
        once = len(events)
        await http.get(f"/meters/{address}/volume")
        assert len(events) == once
    async with client(bus, max_age=0) as http:
        await http.get(f"/meters/{address}")
        await http.get(f"/meters/{address}")
    assert len(events) > 2 * once


@pytest.mark.virtual_time
async def test_scan_finds_who_is_there(client: Client) -> None:
    bus = _bus()
    addresses = [meter.address for meter in bus.meters]
    async with client(bus) as http:
        found = await http.get("/meters", params={"first": min(addresses), "last": max(addresses)})
    assert [meter["address"] for meter in found.json()] == sorted(addresses)


async def test_what_goes_wrong_has_a_status(client: Client) -> None:
    bus = _bus()
    async with client(bus) as http:
        silent = await http.get("/meters/250")
        wrong = await http.get("/meters/nobody")
        above = await http.get("/meters/251")
    assert (silent.status_code, silent.json()["error"]) == (504, "no-answer")
    assert (wrong.status_code, above.status_code) == (422, 422)
    async with client("socket://127.0.0.1:1") as http:
        dead = await http.get("/meters/1")
    assert (dead.status_code, dead.json()["error"]) == (503, "disconnected")


async def test_description_names_the_fields_of_a_reading(client: Client) -> None:
    async with client(_bus()) as http:
        schema = (await http.get("/openapi.json")).json()
    assert "serial_number" in schema["components"]["schemas"]["MBusSlaveData"]["properties"]
