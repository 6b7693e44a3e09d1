"""Meters over HTTP: the master lives as long as the application, and callers take turns on the bus.

    MBUS_URL=socket://10.0.0.5:10001 uvicorn --factory app:create_app

A reading is kept for `MBUS_MAX_AGE` seconds (60): however often it is asked for, a meter is read once in that time,
since many of them live on a battery. Callers who ask for the same meter at the same time share one readout.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse

from mbusbench import MBusError, MBusMaster, MBusSlaveData, MBusSlaveInfo, VirtualBus

STATUS = {"no-answer": 504, "disconnected": 503, "usage": 422}
"""HTTP status of an error's kind; what a meter or the bus did wrong otherwise is a bad gateway."""

router = APIRouter()


class Meters:
    """The meters of one bus, read at most once in `max_age` seconds each."""

    def __init__(self, master: MBusMaster, max_age: float) -> None:
        self.master = master
        self._max_age = max_age
        self._known: dict[str, tuple[float, MBusSlaveData]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def read(self, address: str) -> MBusSlaveData:
        """The meter at a primary or secondary address. Raises MBusError."""
        async with self._turns.setdefault(address, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            since, data = self._known.get(address, (now - self._max_age, None))
            if data is None or now - since >= self._max_age:
                data = await self.master.query(address)
                self._known[address] = (now, data)
            return data


async def meters_of(request: Request) -> Meters:
    meters = request.app.state.meters
    assert isinstance(meters, Meters)
    return meters


OurMeters = Annotated[Meters, Depends(meters_of)]
Address = Annotated[str, Path(pattern="^([0-9]{1,3}|[0-9A-Fa-f]{16})$", description="primary or secondary address")]
Primary = Annotated[int, Query(ge=0, le=250)]


@router.get("/meters/{address}")
async def read_meter(address: Address, meters: OurMeters) -> MBusSlaveData:
    """Everything that a meter sends."""
    return await meters.read(address)


@router.get("/meters/{address}/{quantity}")
async def read_value(address: Address, quantity: str, meters: OurMeters) -> dict[str, object]:
    """The present value of one quantity: energy, volume, flow_temperature, ..."""
    record = (await meters.read(address)).get_record(quantity, storage_number=0)
    if record is None:
        raise HTTPException(404, f"the meter sends no {quantity}")
    return {"value": record.value, "unit": record.unit, "time": record.timestamp}


@router.get("/meters")
async def scan(meters: OurMeters, first: Primary = 1, last: Primary = 250) -> list[MBusSlaveInfo]:
    """Who is on the bus: asks each primary address from `first` to `last`."""
    found = await meters.master.scan_addresses(range(first, last + 1))
    return [info for info in found.values() if info is not None]


async def as_response(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MBusError)
    return JSONResponse({"error": error.kind, "detail": str(error)}, STATUS.get(error.kind, 502))


def create_app(source: str | VirtualBus | None = None, *, max_age: float | None = None) -> FastAPI:
    """The application for the bus at a URL; a VirtualBus will do in its place."""
    bus = source if source is not None else os.environ["MBUS_URL"]
    age = float(os.environ.get("MBUS_MAX_AGE", "60")) if max_age is None else max_age

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncGenerator[None]:
        # Not opened here: the bus is opened by the first request, so that a dead gateway keeps nobody from starting.
        master = MBusMaster(bus)
        application.state.meters = Meters(master, age)
        try:
            yield
        finally:
            await master.close()

    application = FastAPI(title="M-Bus meters", lifespan=lifespan)
    application.include_router(router)
    application.add_exception_handler(MBusError, as_response)
    return application
