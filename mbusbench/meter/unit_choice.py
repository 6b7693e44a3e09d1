"""What to say where no VIF has a quantity in the unit and step that a device file asks for."""

from __future__ import annotations

from functools import cache

from mbusbench.codec.tables.units import UNITS
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.definition.validation import did_you_mean, shown

_SCALES = range(-12, 13)


def unit_mistake(quantity: str, unit: str | None, scale: int) -> tuple[str, str] | None:
    """(key of the record, what is wrong with it): the unit is missing or another's, or the scale is not possible.

    None where it is neither.
    """
    if quantity == "plain_text":  # any text is a unit
        return None
    possible = _units(quantity)
    listed = ", ".join(possible) or "no unit"
    if unit is None:
        if not possible and not scale:
            return None
        missing = f"'unit' is missing: {quantity} is counted in {listed}"
        return ("vif", missing) if possible else ("scale", f"{quantity} has no unit that could be scaled")
    if unit not in possible:
        return "unit", f"{quantity} is not counted in {shown(unit)}{did_you_mean(unit, possible)} ({listed})"
    scales = ", ".join(map(str, possible[unit]))
    if scale:
        return "scale", f"{quantity} is not counted in steps of 10^{scale} {unit}: scale can be {scales}"
    return "unit", f"{quantity} is not counted in steps of 1 {unit}: it needs a scale, which can be {scales}"


@cache
def _units(quantity: str) -> dict[str, list[int]]:
    """The units that a file may use for the quantity, and the scales of each."""
    found: dict[str, list[int]] = {}
    for row in UNITS:
        scales = [scale for scale in _SCALES if _exists(quantity, row.unit, scale)]
        if scales:
            found[row.unit] = scales
    return found


def _exists(quantity: str, unit: str, scale: int) -> bool:
    try:
        ValueInformationBlock.find(quantity, unit, scale)
    except LookupError:
        return False
    return True
