"""Device type codes (medium) to names and back. Every code has a name; reserved ones are called like "reserved_2a"."""

from __future__ import annotations

from mbusbench.codec.tables.device_types import ALIASES, DEVICE_TYPE_ROWS

_NAMES = [f"reserved_{code:02x}" for code in range(256)]
_TEXTS = [f"reserved {code:02X}" for code in range(256)]
for _code, _name, _text in DEVICE_TYPE_ROWS:
    _NAMES[_code] = _name
    _TEXTS[_code] = _text
_CODES = {known: number for number, known in enumerate(_NAMES)}
_CODES |= {alias: _CODES[known] for alias, known in ALIASES.items()}


def name(device_type: int) -> str:
    """The name of a code, 0 to 255, in the form that device files use: 4 is "heat"."""
    return _NAMES[device_type]


def code(text: str) -> int | None:
    """The code of a name or alias; None where there is no such name."""
    return _CODES.get(text)


def names() -> tuple[str, ...]:
    """Every name that a meter can have, in the order of the codes: without aliases, reserved codes and the wildcard."""
    return tuple(known for number, known, _ in DEVICE_TYPE_ROWS if number != 0xFF)


def describe(device_type: int) -> str:
    """The name in words: 4 is "heat, volume measured in the return (outlet)"."""
    return _TEXTS[device_type]
