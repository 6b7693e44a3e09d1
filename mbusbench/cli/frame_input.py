"""Frames as people have them: hex on the command line, text files of hex, binary captures, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from mbusbench.codec.frame import Frame
from mbusbench.codec.frame_reader import FrameReader, Reject

LARGEST_INPUT = 64 * 2**20
_CHUNK = 65536
_SEPARATORS = re.compile(r"0[xX](?=[0-9A-Fa-f]{2})|[\s,:;_-]+")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_HEX_TEXT = re.compile(rb"[0-9A-Fa-fxX\s,:;_-]*")


def captures(arguments: tuple[str, ...]) -> list[bytes]:
    """What was given, as pieces that were captured one by one: a frame does not reach from one into the next."""
    if arguments == ("-",):
        return _pieces(_read(sys.stdin.buffer.read(LARGEST_INPUT + 1)))
    joined = hex_bytes(" ".join(arguments))
    if joined is not None:
        return [joined]
    if len(arguments) > 1:
        raise click.UsageError(
            f"this is no hex: {_excerpt(' '.join(arguments))}; give one file, or bytes such as 10 5B 05 60 16"
        )
    path = Path(arguments[0])
    if not path.exists():
        raise click.UsageError(f"{_excerpt(arguments[0])} is neither hex nor a file")
    with path.open("rb") as file:
        return _pieces(_read(file.read(LARGEST_INPUT + 1)))


def hex_bytes(text: str) -> bytes | None:
    """The bytes of hex text, with or without white space, commas, colons, 0x; None where it is something else."""
    digits = _SEPARATORS.sub("", text)
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) else None


def read_frames(pieces: Iterable[bytes]) -> Iterator[tuple[int, Frame | Reject, bytes]]:
    """Offset in the whole input, frame or reject, and its bytes, in order and without gaps."""
    offset = 0
    for piece in pieces:
        reader = FrameReader()
        for start in range(0, len(piece), _CHUNK):
            for item in reader.receive(piece[start : start + _CHUNK]):
                raw = item.raw if isinstance(item, Reject) else item.encode()
                yield offset, item, raw
                offset += len(raw)
        for item in reader.idle():
            raw = item.raw if isinstance(item, Reject) else item.encode()
            yield offset, item, raw
            offset += len(raw)


def _read(data: bytes) -> bytes:
    if len(data) > LARGEST_INPUT:
        raise click.UsageError(f"the input is larger than {LARGEST_INPUT // 2**20} MiB")
    if not data.strip():
        raise click.UsageError("the input is empty")
    return data


def _pieces(data: bytes) -> list[bytes]:
    """A binary capture as it is; text by lines, where the lines are frames, or as one where a dump was folded."""
    lines = [line.split(b"#")[0].strip() for line in data.splitlines()]
    if not all(_HEX_TEXT.fullmatch(line) for line in lines):
        return [data]
    pieces = [hex_bytes(line.decode("ascii")) for line in lines if line]
    if not pieces:
        raise click.UsageError("the input has no frame in it")
    by_line = [piece for piece in pieces if piece is not None]
    folded = hex_bytes(b" ".join(lines).decode("ascii"))
    if folded is None:
        # Half a byte somewhere. Nothing in it can be trusted, and it is no binary capture either.
        wrong = next(number for number, line in enumerate(lines, 1) if line and hex_bytes(line.decode("ascii")) is None)
        raise click.UsageError(f"line {wrong} is no whole number of hex bytes")
    if len(by_line) < len(pieces) or _rejected([folded]) < _rejected(by_line):
        return [folded]
    return by_line


def _rejected(pieces: list[bytes]) -> int:
    return sum(len(raw) for _, item, raw in read_frames(pieces) if isinstance(item, Reject))


def _excerpt(text: str, longest: int = 60) -> str:
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")
