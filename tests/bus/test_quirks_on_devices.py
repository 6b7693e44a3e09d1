"""Any quirk on any device, and any that go together on one meter: it lives, and does the same again."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mbusbench.bus import VirtualBus
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.meter.quirk.listing import quirks_of
from mbusbench.meter.quirk.quirk import NO_SOURCE, Change, UsedQuirk, contradictions, quirk
from mbusbench.meter.quirk.table import QUIRKS
from mbusbench.protocol.slave.quirk import SlaveQuirk
from mbusbench.timing import SECOND
from tests.bus.wire import Wire

DEVICES = catalogue.names()
COMMANDS = [
    ShortFrame(0x40, 5),
    ShortFrame(0x7B, 5),
    ShortFrame(0x5B, 5),
    ShortFrame(0x7B, 5),
    ShortFrame(0x7A, 5),
    ShortFrame(0x7B, 254),
    LongFrame(0x73, 253, 0x52, b"\xff" * 8),
    ShortFrame(0x7B, 253),
    ShortFrame(0x5B, 253),
    ShortFrame(0x40, 253),
    ShortFrame(0x40, 255),
    LongFrame(0x53, 5, 0x50),
    LongFrame(0x73, 5, 0x50, b"\x30"),
    LongFrame(0x53, 5, 0xB1),
    LongFrame(0x73, 5, 0x51, bytes.fromhex("04 6D 00 0C 21 36")),
    LongFrame(0x53, 5, 0x51, bytes.fromhex("08 78")),
    ShortFrame(0x4B, 5),
    ShortFrame(0x7B, 5),
    LongFrame(0x53, 5, 0x51, bytes.fromhex("01 7A 09")),
    ShortFrame(0x7B, 9),
]


@cache
def device(name: str) -> Device:
    return catalogue.load(name)


def talk(
    name: str,
    *quirks: str | UsedQuirk,
    conversation: list[LongFrame | ShortFrame] | None = None,
    security: int | None = None,
) -> list[object]:
    """What a master gets of a meter with these quirks that is asked everything, and loses its power in between."""
    key = None if security is None else bytes(range(16))
    meter = Meter(device(name), address=5, quirks=quirks, seed="7", security=security, key=key)
    line = Wire(VirtualBus([meter], speed=1, seed=7))
    heard: list[object] = []
    for frame in conversation or COMMANDS:
        heard.append(line.ask(frame.encode().hex(), wait=6 * SECOND))
    line.bus.lose_power(line.now)
    line.listen(200 * SECOND)
    for frame in COMMANDS[:4]:
        heard.append(line.ask(frame.encode().hex(), wait=6 * SECOND))
    return heard


def some_quirks(name: str, count: int) -> list[str]:
    """Other ones for each device: over the whole catalogue every quirk is among them several times."""
    first = DEVICES.index(name) * count
    return [list(QUIRKS)[(first + offset) % len(QUIRKS)] for offset in range(count)]


@pytest.mark.parametrize("name", DEVICES)
def test_quirks_live_on_the_device(name: str) -> None:
    assert all(talk(name, conversation=COMMANDS[:4]))
    for each in some_quirks(name, 3):
        talk(name, each, conversation=COMMANDS[:4])


@pytest.mark.campaign
@pytest.mark.parametrize("name", DEVICES)
def test_every_quirk_lives_on_every_device(name: str) -> None:
    for each in QUIRKS:
        talk(name, each, conversation=COMMANDS[:4])


@pytest.mark.parametrize("name", DEVICES[::7])
def test_meter_whose_quirk_does_nothing_is_as_one_without(name: str) -> None:
    nothing = UsedQuirk(quirk("nothing", "Nothing.", NO_SOURCE, Change(pieces=(SlaveQuirk, SlaveQuirk))))
    assert talk(name, nothing) == talk(name)


@st.composite
def combinations(draw: st.DrawFn) -> list[str]:
    """Quirks that go together, in any order."""
    chosen: list[str] = []
    for name in draw(st.lists(st.sampled_from(sorted(QUIRKS)), unique=True, max_size=12)):
        if not contradictions([*quirks_of(chosen), *quirks_of([name])]):
            chosen.append(name)
    return chosen


@given(
    st.sampled_from(DEVICES),
    combinations(),
    st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=12),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_quirks_that_go_together_leave_the_meter_alive_and_the_same_again(
    name: str, quirks: list[str], conversation: list[LongFrame | ShortFrame]
) -> None:
    assert talk(name, *quirks, conversation=conversation) == talk(name, *quirks, conversation=conversation)


@pytest.mark.parametrize("name", QUIRKS)
def test_every_quirk_lives_on_an_encrypted_meter(name: str) -> None:
    talk("kamstrup/flowiq-2101", name, security=5)
