"""pyMeterBus called as its documentation does: `py_meterbus.py ACTION URL PARITY BAUD REPEAT INTERVAL TARGET...`.

The wheel of pyMeterBus has no tools in it, hence this script. One line of JSON for each target and turn. No part of
mbusbench is imported, and nothing is repaired that pyMeterBus does wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import meterbus
import serial


def ping(port: Any, address: int) -> None:
    meterbus.send_ping_frame(port, address)
    frame = meterbus.load(meterbus.recv_frame(port, 1))
    if not isinstance(frame, meterbus.TelegramACK):
        raise ValueError(f"expected an acknowledge, received {type(frame).__name__}")


def request(port: Any, target: int | str, follow: bool) -> list[Any]:
    """The telegrams of one readout: the first one, or all of them."""
    if isinstance(target, str):
        if meterbus.send_select_frame(port, target) is False:
            raise ValueError("the selection cannot be sent")
        frame = meterbus.load(meterbus.recv_frame(port, 1))
        if not isinstance(frame, meterbus.TelegramACK):
            raise ValueError(f"expected an acknowledge, received {type(frame).__name__}")
        target = meterbus.ADDRESS_NETWORK_LAYER
    else:
        ping(port, target)
    sent = meterbus.send_request_frame(port, target)
    frames = [meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))]
    while follow and frames[-1].more_records_follow:
        sent.header.cField.parts[0] ^= meterbus.CONTROL_MASK_FCB
        meterbus.send_request_frame(port, req=sent)
        frames.append(meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH)))
    return frames


def shown(frame: Any, number: int) -> Iterator[dict[str, Any]]:
    """The records of a telegram, with the place that `interpreted` shows only in part."""
    for record in frame.records:
        row = record.interpreted
        yield {
            "value": row["value"],
            "unit": row["unit"],
            "storage": row.get("storage_number"),
            "tariff": row.get("tariff"),
            "function": row.get("function"),
            "telegram": number,
        }


def header_of(shown: dict[str, Any]) -> dict[str, Any]:
    """What pyMeterBus shows as hexadecimal text, as numbers and digits."""
    numbers: dict[str, Any] = {name: int(shown[name], 16) for name in ("version", "medium", "status") if name in shown}
    digits = shown.get("identification", "").replace("0x", "").split(", ")
    return {
        **numbers,
        "id": "".join(part.zfill(2) for part in digits),
        "manufacturer": shown.get("manufacturer"),
        "access": shown.get("access_no"),
    }


def plain(value: Any) -> float | str:
    return float(value) if isinstance(value, Decimal) else str(value)


def do(action: str, port: Any, target: Any) -> dict[str, Any]:
    if action == "ping":
        ping(port, target)
        return {}
    frames = request(port, target, follow=action == "read-all")
    header = header_of(frames[0].body.bodyHeader.interpreted)
    records = [record for number, frame in enumerate(frames) for record in shown(frame, number)]
    more = bool(frames[-1].more_records_follow)
    return {"header": header, "records": records, "telegrams": len(frames), "more": more}


def main(*words: str) -> int:
    action, url, parity, baud, repeat, interval, *targets = words
    failed = False
    with serial.serial_for_url(url, int(baud), 8, parity, 1, timeout=0.05 + 400 / int(baud)) as port:
        for turn in range(int(repeat)):
            if turn:
                time.sleep(float(interval))
            for text in targets:
                target: int | str = int(text) if len(text) <= 3 else text
                entry: dict[str, Any] = {"secondary" if isinstance(target, str) else "address": target}
                try:
                    entry.update(do(action, port, target))
                except Exception as error:
                    failed = True
                    entry["error"] = f"{type(error).__name__}: {error}"
                print(json.dumps(entry, default=plain), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
