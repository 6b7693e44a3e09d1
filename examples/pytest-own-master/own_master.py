"""An M-Bus master of our own: synchronous, over a TCP gateway, for water meters."""

import socket

ATTEMPTS = 3
LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)


class NoAnswerError(Exception):
    """Nothing that could be used came from the meter."""


class Master:
    """Reads meters one after the other over one connection."""

    def __init__(self, host, port, timeout=0.3):
        self.connection = socket.create_connection((host, port), timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()

    def read_volume(self, address):
        """The volume in m3 that the meter shows now. NoAnswerError without a good answer."""
        self._exchange(0x40, address, lambda data: data == b"\xe5")
        return volume(self._exchange(0x7B, address, lambda data: is_telegram(data, address)))

    def _exchange(self, control, address, is_answer):
        request = bytes([0x10, control, address, (control + address) & 0xFF, 0x16])
        for _ in range(ATTEMPTS):
            self.connection.sendall(request)
            data = b""
            try:
                while not is_answer(data):
                    data += self.connection.recv(300)
            except TimeoutError:
                continue
            return data
        raise NoAnswerError(f"meter {address}")


def is_telegram(data, address):
    """Whether it is a whole long frame with data of that meter."""
    if len(data) < 9 or data[0] != 0x68 or data[3] != 0x68 or data[1] != data[2] or len(data) != data[1] + 6:
        return False
    return data[4] & 0x4F == 0x08 and data[5] == address and data[-2] == sum(data[4:-2]) & 0xFF and data[-1] == 0x16


def volume(telegram):
    """The first volume among the records."""
    at, end = 19, len(telegram) - 2
    while at < end:
        dif = telegram[at]
        while telegram[at] & 0x80:
            at += 1
        at += 1
        vif = telegram[at]
        while telegram[at] & 0x80:
            at += 1
        data = telegram[at + 1 : at + 1 + LENGTHS[dif & 0x0F]]
        if vif & 0x78 == 0x10:
            value = int(data[::-1].hex()) if dif & 0x08 else int.from_bytes(data, "little")
            return round(value * 10 ** ((vif & 7) - 6), 6)
        at += 1 + len(data)
    raise ValueError("the meter has no volume")
