"""A bus and its master in one process, without a port: python examples/virtual_bus.py"""

from __future__ import annotations

import asyncio

from mbusbench import MBusMaster, VirtualBus


async def main() -> None:
    bus = VirtualBus.from_devices(["kamstrup/multical-603"] * 3)
    async with MBusMaster(bus) as master:
        for meter in bus.meters:
            data = await master.query(meter.address)
            temperature = data.get_record("flow_temperature")
            assert temperature is not None
            print(data.address, data.serial_number, temperature.value, temperature.unit)


asyncio.run(main())
