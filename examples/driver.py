"""A driver for a master of your own: it speaks driver protocol 1 (docs/drivers.md). Called by examples/driver.yaml."""

import json
import os
import socket
import sys

REQUEST = {"ping": 0x40, "read": 0x7B}


def ask(line: socket.socket, control: int, address: int) -> bytes:
    line.sendall(bytes([0x10, control, address, (control + address) % 256, 0x16]))
    answer = line.recv(1)
    if answer == b"\x68":
        answer += line.recv(1)
        while len(answer) < answer[1] + 6:
            answer += line.recv(answer[1] + 6 - len(answer))
    return answer


def read(line: socket.socket, address: int, action: str) -> dict[str, object]:
    meter = {"address": address, "ok": False, "error": "no-answer"}
    try:
        is_there = ask(line, REQUEST["ping"], address) == b"\xe5"
        answer = ask(line, REQUEST["read"], address) if is_there and action == "read" else b""
    except TimeoutError:
        return meter
    if not is_there or (answer and (answer[5] != address or sum(answer[4:-2]) % 256 != answer[-2])):
        return meter | {"error": "garbled"}
    volumes = [{"value": int(answer[24:20:-1].hex()), "unit": "l"}] if answer[19:21] == b"\x0c\x13" else []
    return meter | {"ok": True, "error": None, "records": volumes}


if os.environ["MBUS_ACTION"] not in REQUEST:
    sys.exit(127)
with socket.create_connection((os.environ["MBUS_HOST"], int(os.environ["MBUS_PORT"])), timeout=1) as line:
    meters = [read(line, int(address), os.environ["MBUS_ACTION"]) for address in os.environ["MBUS_ADDRESS"].split(",")]
ok = all(meter["ok"] for meter in meters)
print(json.dumps({"mbus": 1, "ok": ok, "error": None if ok else "no-answer", "meters": meters}))
sys.exit(0 if ok else 1)
