"""Faults drawn at random: nearly every kind that a bus file knows, with random parameters, for one to six hits.

Not among them are bit errors, of which other blocks of the campaign have their share; requests that reach the slave
when the master has long given them up: those are a second master, whose answers nobody can tell from one's own; and an
acknowledge that no slave sent: nothing in it says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from mbusbench.bus.fault import Fault
from mbusbench.line.effect import Bursts, Effect, Sender, with_flipped
from mbusbench.line.wire import CHARACTER_BITS

_ANSWERS_ONLY = frozenset(
    ("late", "babble", "stale", "corrupted_acknowledge", "doubled_acknowledge", "stuck_fcb", "parity_errors")
)


def _ms(low: float, high: float, source: Random) -> str:
    return f"{source.uniform(low, high) * 1000:.0f}us"


def _data(source: Random, longest: int) -> str:
    length = source.randint(1, longest)
    shape = source.randrange(3)
    if shape == 0:
        # What looks like the begin of a frame.
        head = bytes((0x68, 0x1F, 0x1F, 0x68, 0x08)) if source.random() < 0.5 else bytes((0x10, 0x08))
        return head[:length].hex()
    return bytes(source.randrange(256) for _ in range(length)).replace(b"\xe5", b"\xe4").hex()


def _step(source: Random, *, is_request: bool) -> tuple[str, object]:
    """A kind, and what is written behind it."""
    cut = source.randrange(0, 40)
    wait = _ms(*source.choice(((1, 150), (150, 1000), (1000, 5000))[: 1 if is_request else 3]), source)
    kinds: list[tuple[str, object]] = [
        ("drop", None),
        ("drop", None),
        ("delay", wait),
        ("delay", wait),
        ("late", _ms(0, 400, source)),
        ("truncate", cut or -1),
        ("checksum", {"xor": source.randint(1, 255)}),
        ("length", {"difference": source.choice((-2, -1, 1, 7)), "which": source.choice(("both", "first", "second"))}),
        ("start", {"value": source.choice((0x69, 0x10, 0x00)), "which": source.choice(("first", "second"))}),
        ("stop", source.choice((0x17, 0x00))),
        ("control", source.choice((0x48, 0x7B, 0x0B, 0x00, 0x53))),
        ("address", source.choice((0, 2, 5, 77, 253, 254, 255))),
        ("ci", source.choice((0x70, 0x71, 0xB7, 0x00, 0x44))),
        ("replace", _data(source, 20)),
        ("leading", _data(source, 12)),
        ("leading", _data(source, 3)),
        ("trailing", {"data": _data(source, 12), "pause": _ms(0, 400, source)}),
        ("duplicate", {"times": source.randint(1, 3), "pause": wait}),
        ("gaps", {"duration": _ms(1, 140, source), "every": source.randint(1, 12)}),
        ("gaps", {"duration": _ms(50, 3000, source), "after": source.randint(1, 30)}),
        ("dribble", _ms(5, 130, source)),
        ("babble", source.randint(5, 300)),
        ("parity_errors", {"characters": [source.randrange(20)]}),
        ("stale", source.randint(1, 3)),
        ("corrupted_acknowledge", source.choice((0xA5, 0xA2, 0xFC, 0x00))),
        ("doubled_acknowledge", _ms(0, 60, source)),
        ("noise", {"count": source.randint(1, 5), "delay": _ms(120, 900, source)}),
        ("stuck_fcb", None),
        ("power_cycle", {"after": cut, "off": _ms(10, 3000, source), "scope": source.choice(("bus", "meter"))}),
        ("disconnect", cut),
    ]
    return source.choice(kinds)


def random_fault(name: str, addresses: range, source: Random) -> Fault:
    """One fault; most act on the answers of one meter to one kind of request."""
    is_request = source.random() < 0.12
    kind, parameters = _step(source, is_request=is_request)
    keys: dict[str, Any] = {"times": source.choice((1, 1, 1, 2, 3, 6))}
    if source.random() < 0.7:
        keys["on"] = source.choice(addresses)
    if is_request and kind not in _ANSWERS_ONLY:
        keys["direction"] = "request"
    frames = (None, "REQ_UD2", "REQ_UD2", "SND_NKE")
    frame = source.choice(frames)
    if frame is not None and not kind.endswith("acknowledge"):
        keys["frame"] = frame
    if source.random() < 0.3:
        keys["skip"] = source.randint(1, 3)
    return Fault(name, do=kind if parameters is None else {kind: parameters}, **keys)


@dataclass(frozen=True, slots=True)
class InvertedBits(Effect):
    """Each bit of data and each parity bit is inverted with probability `rate`; start and stop bits are not."""

    name = "inverted_bits"
    rate: float

    def apply(self, bursts: Bursts, sender: Sender) -> Bursts:
        bits = CHARACTER_BITS[sender.parity]
        random = sender.random.random
        total = sum(len(burst.data) for burst in bursts)
        flipped = {character * bits + bit for character in range(total) for bit in range(1, 10) if random() < self.rate}
        return with_flipped(bursts, sender, flipped)
