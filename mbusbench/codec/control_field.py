"""The control field (C field) of EN 13757-2: codes, bits and a readable form.

Any of the 256 values has a description. What a receiver does with a code is the link machines' business.
"""

from __future__ import annotations

PRM = 0x40
"""Set in what a master sends."""
FCB = 0x20
FCV = 0x10
ACD = 0x20
DFC = 0x10

SND_NKE = 0x40
SND_UD = 0x53
SND_UD2 = 0x43
"""EN 13757-2:2018; before that the same code was SND_UD without a valid frame count bit."""
REQ_UD1 = 0x5A
REQ_UD2 = 0x5B
RSP_UD = 0x08

_MASTER_FUNCTIONS = {0x0: "SND_NKE", 0x3: "SND_UD", 0xA: "REQ_UD1", 0xB: "REQ_UD2"}
# Function codes of wireless M-Bus: shown by name, never expected on the wire.
_WIRELESS = {0x44: "SND_NR", 0x45: "SND_UD3", 0x46: "SND_IR", 0x47: "ACC_NR", 0x48: "ACC_DMD", 0x06: "CNF_IR"}
# 0, 1, 9 and B are answers of IEC 60870-5-2 that M-Bus replaced by single characters; some devices still send them.
_SLAVE_FUNCTIONS = {0x0: "ACK", 0x1: "NACK", 0x8: "RSP_UD", 0x9: "NO_DATA", 0xB: "STATUS"}


def function_code(control: int) -> int:
    """The low four bits."""
    return control & 0x0F


def with_fcb(control: int, fcb: int) -> int:
    """The control field with a valid frame count bit of value `fcb`, 0 or 1."""
    return (control & ~FCB) | FCV | (FCB if fcb else 0)


def describe(control: int) -> str:
    """Name and bits, for example "REQ_UD2 fcb=1", "RSP_UD acd=1" or, where it has no name, "C 9F"."""
    if control in _WIRELESS:
        return _WIRELESS[control]
    if control == SND_UD2:
        return "SND_UD2"
    names = _MASTER_FUNCTIONS if control & PRM else _SLAVE_FUNCTIONS
    name = names.get(function_code(control))
    if name is None or control & 0x80:
        return f"C {control:02X}"
    if not control & PRM:
        return name + (" acd=1" if control & ACD else "") + (" dfc=1" if control & DFC else "")
    if control == SND_NKE:
        return name
    return f"{name} fcb={control >> 5 & 1}" + ("" if control & FCV else " fcv=0")
