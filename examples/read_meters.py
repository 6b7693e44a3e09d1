"""Read every meter of a bus and print its energies and volumes: python examples/read_meters.py URL ADDRESS..."""

from __future__ import annotations

import asyncio
import sys

from mbusbench import MBusError, MBusMaster, MBusSlaveRecord


async def main(url: str, addresses: list[str]) -> int:
    failed = 0
    async with MBusMaster(url, baudrate=2400) as master:
        for address in addresses:
            try:
                meter = await master.query(address)
            except MBusError as error:
                print(f"{address}: {error.kind}", file=sys.stderr)
                failed += 1
                continue
            for record in meter.records:
                if record.quantity in ("energy", "volume") and is_total(record):
                    print(f"{meter.manufacturer} {meter.serial_number} {record.quantity} {record.value} {record.unit}")
    return 1 if failed else 0


def is_total(record: MBusSlaveRecord) -> bool:
    """The present counter, of all tariffs and subunits, without modifiers."""
    return (record.storage_number, record.tariff, record.device_unit, record.modifiers) == (0, 0, 0, ())


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
