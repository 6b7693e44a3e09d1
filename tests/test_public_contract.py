"""The usage that the package promises to its callers: names, shapes and calls as they are written in programs."""

from __future__ import annotations

import asyncio
from datetime import datetime

import mbusbench
from mbusbench import (
    MBusMaster,
    MBusRecordFunction,
    MBusRecordType,
    MBusSlaveData,
    MBusSlaveInfo,
    MBusSlaveRecord,
    SecondaryAddress,
    VirtualBus,
    decode,
)

WATER = "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16"


def bus() -> VirtualBus:
    return VirtualBus.from_devices(["kamstrup/multical-603", "kamstrup/flowiq-2101", "schneider/iem3135"], seed=7)


def test_every_public_name_can_be_imported() -> None:
    for name in mbusbench.__all__:
        assert getattr(mbusbench, name) is not None
    assert set(mbusbench.__all__) <= set(dir(mbusbench))


def test_decode_takes_one_frame() -> None:
    data = decode(WATER)
    assert isinstance(data, MBusSlaveData)
    assert isinstance(data, MBusSlaveInfo)
    assert all(isinstance(record, MBusSlaveRecord) for record in data.records)


async def test_a_master_over_tcp() -> None:
    served = bus()
    heat, water, electricity = (meter.address for meter in served.meters)
    async with served.serve("tcp://127.0.0.1:0") as server:
        assert server.url.startswith("socket://127.0.0.1:")
        async with MBusMaster(server.url, baudrate=2400, timeout=0.2, retries=0) as master:
            assert await master.ping_addresses([heat, 5]) == {heat: True, 5: False}
            found = await master.query_addresses([heat, 5, SecondaryAddress.parse("KAM-FFFFFFFF-1F-FF")])
            assert list(found) == [heat, 5, SecondaryAddress.parse("KAM-FFFFFFFF-1F-FF")]
            assert found[5] is None
            data = found[heat]
            assert data is not None
            assert (data.manufacturer, data.medium, data.device_type, data.version) == ("KAM", "heat", 4, 0x35)
            assert isinstance(data.timestamp, datetime)
            energy = data.get_record(MBusRecordType.ENERGY)
            assert energy is not None
            assert (energy.unit, energy.storage_number, energy.function, energy.device_unit, energy.tariff) == (
                "kWh",
                0,
                MBusRecordFunction.INSTANTANEOUS,
                0,
                0,
            )
            assert energy.description
            assert energy.timestamp == data.timestamp
            assert len(data.get_all_records(MBusRecordType.ENERGY)) > 1
            scanned = await master.scan_addresses(range(electricity, electricity + 2))
            assert [info.serial_number if info else None for info in scanned.values()] == [
                served.meters[2].identification,
                None,
            ]
            assert (await master.query(electricity)).telegrams == 3
            assert (await master.query(str(SecondaryAddress.parse("KAM-FFFFFFFF-1F-FF")))).address == water


async def test_open_and_close_by_hand() -> None:
    async with bus().serve("tcp://127.0.0.1:0") as server:
        master = MBusMaster(server.url)
        await master.open()
        assert await master.ping_addresses([99]) == {99: True}
        await master.close()


async def test_a_master_in_the_same_process() -> None:
    served = bus()
    async with MBusMaster(served) as master:
        assert (await master.query(served.meters[0].address)).serial_number == served.meters[0].identification


async def test_fifty_callers_of_one_master_get_their_own_answers() -> None:
    served = bus()
    addresses = [meter.address for meter in served.meters]
    async with served.serve("tcp://127.0.0.1:0") as server, MBusMaster(server.url) as master:
        asked = [addresses[number % 3] for number in range(50)]
        answers = await asyncio.gather(*(master.query(address) for address in asked))
        assert [answer.address for answer in answers] == asked
        serials = {meter.address: meter.identification for meter in served.meters}
        assert [answer.serial_number for answer in answers] == [serials[address] for address in asked]
