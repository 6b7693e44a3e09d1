"""The first try: it reads the meter on the desk."""

import socket

from own_master import NoAnswerError, volume


class Master:
    def __init__(self, host, port):
        self.connection = socket.create_connection((host, port), timeout=0.1)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()

    def read_volume(self, address):
        for _ in range(3):
            self.connection.sendall(bytes([0x10, 0x7B, address, (0x7B + address) & 0xFF, 0x16]))
            data = b""
            try:
                while not data.endswith(b"\x16"):
                    data += self.connection.recv(300)
            except TimeoutError:
                continue
            return volume(data)
        raise NoAnswerError(f"meter {address}")
