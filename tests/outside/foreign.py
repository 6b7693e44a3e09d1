"""Telegrams out of other people's files: `python -m tests.outside.foreign DIRECTORY...`.

Finds every whole M-Bus frame in the files below the directories (unpacked source packages), however it is written,
leaves out those that the tests have, decodes the rest and compares with every peer that is there. Prints what differs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mbusbench.codec.telegram import decode_telegram
from mbusbench.errors import DecodeError
from tests.interop.parts import missing
from tests.outside import judge
from tests.outside.corpus import corpus_telegrams, recorded_telegrams
from tests.outside.peers import PEERS, PeerError

_LARGEST_FILE = 5_000_000
_OCTET = "[0-9A-Fa-f]{2}"
_ESCAPED = re.compile(rf"(?:\\x{_OCTET}(?:[\"'\s()+b]|\\\n)*){{6,}}")
_LISTED = re.compile(rf"(?:0x{_OCTET}(?:[\s,{{}}()]|\\\n)*){{6,}}")
_PLAIN = re.compile(rf"(?:{_OCTET}(?:[\s\"'|_:\-,+()]|\\\n|\\n)*){{9,}}")


def frames(octets: bytes) -> Iterator[bytes]:
    """The long frames in `octets` whose lengths, checksum and stop octet are right."""
    position = octets.find(0x68)
    while 0 <= position <= len(octets) - 9:
        length = octets[position + 1]
        end = position + length + 6
        whole = octets[position:end]
        good = length >= 3 and len(whole) == length + 6 and whole[2:4] == bytes((length, 0x68)) and whole[-1] == 0x16
        if good and sum(whole[4:-2]) & 0xFF == whole[-2]:
            yield whole
            position = end - 1
        position = octets.find(0x68, position + 1)


def frames_in(content: bytes) -> Iterator[bytes]:
    """The frames of a file: as octets, and in hex as sources write it."""
    yield from frames(content)
    text = content.decode("latin-1")
    for pattern, mark in ((_ESCAPED, r"\\x"), (_LISTED, "0x")):
        for match in pattern.finditer(text):
            yield from frames(bytes.fromhex("".join(re.findall(f"{mark}({_OCTET})", match.group()))))
    for match in _PLAIN.finditer(text):
        digits = re.sub("[^0-9A-Fa-f]", "", match.group())
        for start in (0, 1):
            part = digits[start:]
            yield from frames(bytes.fromhex(part[: len(part) & ~1]))


def differences(frame: bytes) -> Iterator[str]:
    """What every peer that is there reads otherwise."""
    try:
        telegram = decode_telegram(frame)
    except DecodeError as error:
        yield f"ours: refused, {error}"
        return
    if telegram.diagnostics:
        yield f"ours: {'; '.join(map(str, telegram.diagnostics))}"
    for name, decode in PEERS.items():
        if missing(name) is not None:
            continue
        try:
            readings = decode(frame)
        except PeerError:
            yield f"{name}: refused"
            continue
        yield from (f"{name}: {text}" for text in judge.compare(telegram.records, readings))


def main(arguments: Sequence[str]) -> int:
    known = {telegram["hex"] for telegram in (*corpus_telegrams(), *recorded_telegrams())}
    found: dict[bytes, Path] = {}
    for directory in arguments:
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
                for frame in frames_in(path.read_bytes()):
                    found.setdefault(frame, path)
    for name in PEERS:
        reason = missing(name)
        if reason is not None:
            print(reason)
    new = {frame: path for frame, path in found.items() if frame.hex() not in known}
    print(f"{len(found)} frames, {len(new)} of them new")
    for frame, path in new.items():
        print(f"{path}: {frame.hex()}")
        for text in differences(frame):
            print(f"    {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
