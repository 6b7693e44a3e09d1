"""The two wires, bit by bit, and what stands between them and the master's port.

Knows no protocol; time is an argument, in integer ns.
"""

from mbusbench.line.gateway import Gateway, RequestGate, Segmenter
from mbusbench.line.level_converter import LevelConverter
from mbusbench.line.uart import Character, Received, Receiver, receive
from mbusbench.line.wire import Parity, Space, Transmission, WireSignal

__all__ = [
    "Character",
    "Gateway",
    "LevelConverter",
    "Parity",
    "Received",
    "Receiver",
    "RequestGate",
    "Segmenter",
    "Space",
    "Transmission",
    "WireSignal",
    "receive",
]
