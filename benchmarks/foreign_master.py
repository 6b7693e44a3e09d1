"""A master that knows nothing of the package: asks through a terminal, and prints when each piece of the answer came.

    python -I foreign_master.py TERMINAL BAUD REQUEST-IN-HEX SIZE COUNT

Prints JSON: for each of COUNT requests [ns before the request was written, [[ns, characters], ...]]. One clock, the
system's monotonic one.
"""

import json
import os
import select
import sys
import termios
import time

TIMEOUT = 30.0


def opened(path: str, baud: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(descriptor)
    attributes[:4] = [0, 0, termios.CS8 | termios.CREAD | termios.CLOCAL, 0]
    attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, attributes)
    return descriptor


def exchange(descriptor: int, request: bytes, size: int) -> tuple[int, list[tuple[int, int]]]:
    pieces: list[tuple[int, int]] = []
    start = time.monotonic_ns()
    os.write(descriptor, request)
    while size > 0:
        if not select.select([descriptor], [], [], TIMEOUT)[0]:
            sys.exit(f"no answer: {size} characters are missing")
        count = len(os.read(descriptor, size))
        pieces.append((time.monotonic_ns(), count))
        size -= count
    return start, pieces


def main() -> None:
    path, baud, request, size, count = sys.argv[1:]
    descriptor = opened(path, int(baud))
    found = []
    for _ in range(int(count)):
        found.append(exchange(descriptor, bytes.fromhex(request), int(size)))
        time.sleep(0.1)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
