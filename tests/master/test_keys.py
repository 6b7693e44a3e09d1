"""Keys of encrypted slaves, with the wired telegram of a heat cost allocator published in the OMS specification."""

from __future__ import annotations

import pytest

from mbusbench.codec.address import SecondaryAddress
from mbusbench.errors import MBusEncryptedError, MBusUsageError
from mbusbench.master import MBusMaster
from mbusbench.master.keys import Keys
from tests.master.scripted_bus import E5, Answers, ScriptedBus

TELEGRAM = bytes.fromhex(
    "68 2C 2C 68 08 FD 72 88 77 66 55 93 44 55 08 00 04 10 05 00 DF E2 A7 82 14 6D 15 13 58 1C D2 F8 3F 39 04"
    "0C FD 10 78 56 34 12 0C 78 44 33 22 11 26 16"
)
ADDRESS = "5566778893445508"
KEY = bytes(range(16))


def handle(request: bytes) -> Answers:
    return TELEGRAM if request[1] in (0x5B, 0x7B) else E5


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "keys",
    [
        KEY,
        KEY.hex(),
        {ADDRESS: KEY},
        {SecondaryAddress.parse(ADDRESS): KEY.hex()},
        {"QDS-55667788-*-*": KEY},
        {"FFFFFFFF93445508": KEY, ADDRESS: bytes(16)},
        {253: KEY},
    ],
)
async def test_telegram_is_opened_with_the_key_of_its_sender(keys: Keys) -> None:
    async with MBusMaster(ScriptedBus(handle), keys=keys) as master:
        data = await master.query(ADDRESS)
    assert not data.encrypted
    assert len(data.records) == 5


@pytest.mark.virtual_time
@pytest.mark.parametrize("keys", [None, bytes(16), {"1122334493445508": KEY}, {5: KEY}])
async def test_telegram_without_its_key_is_an_error(keys: Keys | None) -> None:
    async with MBusMaster(ScriptedBus(handle), keys=keys) as master:
        with pytest.raises(MBusEncryptedError, match=f"slave {ADDRESS} sends encrypted telegrams") as caught:
            await master.query(ADDRESS)
    sender = caught.value.slave
    assert (sender.secondary_address, sender.serial_number, sender.status) == (ADDRESS, "55667788", 4)


@pytest.mark.parametrize("keys", [b"short", "zz", KEY.hex()[:-2], {"5": KEY}, {ADDRESS: 5}, {ADDRESS: b""}])
def test_what_is_no_key_is_refused(keys: Keys) -> None:
    with pytest.raises(MBusUsageError):
        MBusMaster("socket://127.0.0.1:1", keys=keys)
