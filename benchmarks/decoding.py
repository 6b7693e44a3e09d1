"""Decoding to typed records and to the pydantic result, against pymbusparser (Rust) and pyMeterBus."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import NamedTuple

from benchmarks.measure import Result, interleaved
from benchmarks.telegrams import readouts
from mbusbench import decode
from mbusbench.codec import layout
from mbusbench.codec.frame import LongFrame, decode_frame
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import MBusError

Parse = Callable[[bytes], object]
ROUNDS = 150


def typed(frame: bytes) -> list[object]:
    """A frame to its records, every value read and scaled to its unit."""
    long_frame = decode_frame(frame)
    assert isinstance(long_frame, LongFrame)
    return [record.value for record in Telegram.decode(long_frame.ci, long_frame.data).records]


def clear_caches() -> None:
    """Forget every structure, block and value that the codec remembers."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("mbusbench."):
            continue
        for value in list(vars(module).values()):
            clear = getattr(value, "cache_clear", None)
            if callable(clear):
                clear()
    layout.forget()


class Peer(NamedTuple):
    """`parse` is timed; `complete` says of a frame whether the peer reads all of it."""

    package: str
    parse: Parse
    complete: Callable[[bytes], bool]


def _pymbusparser() -> Peer:
    package = importlib.import_module("pymbusparser")
    return Peer("pymbusparser", package.parse, lambda frame: package.parse(frame)["decode_state"] == "complete")


def _pymeterbus() -> Peer:
    package = importlib.import_module("meterbus")

    def parse(frame: bytes) -> object:
        return package.load(frame).to_JSON()

    return Peer("pyMeterBus", parse, lambda frame: bool(parse(frame)))


def accepted(frames: Iterable[bytes], ours: Parse, peer: Peer) -> list[bytes]:
    """The frames that both sides read: what one side gives up early is no measure."""
    found = []
    for frame in frames:
        try:
            ours(frame)
            if not peer.complete(frame):
                continue
        except Exception:  # a peer's own exceptions: whatever it says, it did not take the telegram
            continue
        found.append(frame)
    return found


def _compare(
    name: str, ours: Parse, load_peer: Callable[[], Peer], package: str, bound: float, *, cold: bool = False
) -> Result:
    source, frames = readouts()
    try:
        peer = load_peer()
    except ImportError:
        return Result(name, "telegram", None, None, None, bound, True, f"{package} is not installed (extra `bench`)")
    frames = accepted(frames, ours, peer)
    parse = peer.parse

    def run_ours() -> None:
        for frame in frames:
            ours(frame)

    def run_peer() -> None:
        for frame in frames:
            parse(frame)

    for _ in range(3):
        run_ours()  # a layout is compiled when its kind of meter comes again
    rounds = ROUNDS if package == "pymbusparser" else ROUNDS // 5
    mine, theirs, ratio = interleaved(run_ours, run_peer, rounds=rounds, before_ours=clear_caches if cold else None)
    count = len(frames)
    note = f"{package} {version(package)}; {count} of {source}"
    return Result(name, "telegram", mine / count, theirs / count, ratio, bound, True, note)


def refused_by_us() -> list[str]:
    """Frames of the set that we refuse: the comparison would leave them out unsaid."""
    found = []
    for frame in readouts()[1]:
        try:
            typed(frame)
        except MBusError as error:
            found.append(f"{frame.hex()}: {error}")
    return found


def warm_against_pymbusparser() -> Result:
    return _compare("typed records, warm", typed, _pymbusparser, "pymbusparser", 5)


def warm_against_pymeterbus() -> Result:
    return _compare("typed records, warm", typed, _pymeterbus, "pyMeterBus", 35)


def cold_against_pymbusparser() -> Result:
    return _compare("typed records, cold", typed, _pymbusparser, "pymbusparser", 1, cold=True)


def result_against_pymbusparser() -> Result:
    return _compare("decode(), warm", decode, _pymbusparser, "pymbusparser", 2)
