"""One reading from a script that has no event loop: opens the bus, reads one meter, closes it."""

from __future__ import annotations

import asyncio
import os

from mbusbench.errors import MBusUsageError
from mbusbench.master.keys import Keys
from mbusbench.master.master import Bus, MBusMaster
from mbusbench.master.results import MBusSlaveData
from mbusbench.master.target import Address
from mbusbench.transport.serial import Parity


def read(
    source: str | os.PathLike[str] | Bus,
    address: Address,
    *,
    baudrate: int = 2400,
    parity: Parity = "even",
    timeout: float | None = None,
    retries: int = 2,
    keys: Keys | None = None,
) -> MBusSlaveData:
    """Read one meter: `mbusbench.read("socket://192.168.1.5:10001", 5)`. Arguments and errors are those of MBusMaster.

    Not for coroutines (MBusUsageError): there, and for several meters, MBusMaster keeps the bus open.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise MBusUsageError("read() would block the running event loop: use MBusMaster there")
    master = MBusMaster(source, baudrate=baudrate, parity=parity, timeout=timeout, retries=retries, keys=keys)

    async def query() -> MBusSlaveData:
        async with master:
            return await master.query(address)

    return asyncio.run(query())
