"""Reads meters with pyMeterBus, as its documentation does: `python py_meterbus.py URL PARITY ADDRESS...`.

One line of JSON for each address: {"address", "records"} or {"address", "error"}. No part of mbusbench is imported.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import meterbus
import serial


def read(port: Any, address: int) -> list[Any]:
    """The records of one readout, of all its telegrams."""
    port.reset_input_buffer()
    meterbus.send_ping_frame(port, address)
    assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
    request = meterbus.send_request_frame(port, address)
    frame = meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))
    records = list(frame.records)
    while frame.more_records_follow:
        request.header.cField.parts[0] ^= meterbus.CONTROL_MASK_FCB
        meterbus.send_request_frame(port, req=request)
        frame = meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))
        records += frame.records
    return records


def main(url: str, parity: str, *addresses: str) -> None:
    with serial.serial_for_url(url, 2400, 8, parity, 1, timeout=0.4) as port:
        for address in addresses:
            try:
                rows = [record.interpreted for record in read(port, int(address))]
            except Exception as error:
                print(json.dumps({"address": address, "error": f"{type(error).__name__}: {error}"}), flush=True)
            else:
                print(json.dumps({"address": address, "records": rows}, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
