"""Devices by name: `kamstrup/multical-603` is `devices/kamstrup/multical-603.yaml`, of the wheel or of the checkout."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mbusbench.definition.document import read_document
from mbusbench.definition.validation import did_you_mean, shown
from mbusbench.errors import DefinitionError
from mbusbench.meter.definition import Confidence, Device, DeviceHeader

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@lru_cache(maxsize=1)
def directory() -> Path:
    """Where the devices are that come with the package."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_data" / "devices"
    return installed if installed.is_dir() else package.parent / "devices"


def names() -> list[str]:
    """Every device of the catalogue, sorted."""
    base = directory()
    return sorted(path.relative_to(base).with_suffix("").as_posix() for path in base.glob("*/*.yaml"))


def find(name: str, relative_to: Path | None = None) -> Path:
    """The file of a device: a catalogue name, or a path (with .yaml; from `relative_to` where it is relative).

    LookupError with what might have been meant.
    """
    if name.endswith(_SUFFIXES):
        path = (relative_to or Path()) / Path(name).expanduser()
        if not os.path.exists(path):
            raise LookupError(f"there is no file {shown(str(path), 300)}")
        return path
    listed = directory() / f"{name}.yaml"
    if _NAME.fullmatch(name) and listed.is_file():
        return listed
    known = names()
    if name not in known:
        raise LookupError(f"there is no device {shown(name)}{did_you_mean(name, known)}")
    return listed


def load(name: str, relative_to: Path | None = None) -> Device:
    """The device by that name or path. DefinitionError where there is none, or its file is wrong."""
    try:
        path = find(name, relative_to)
    except LookupError as error:
        raise DefinitionError(str(error.args[0])) from None
    return load_file(path)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a list says of a device: its header, and how much it sends."""

    header: DeviceHeader
    telegrams: int
    records: int
    description: str | None
    source: str | None
    confidence: Confidence | None

    @staticmethod
    def of(device: Device) -> Outline:
        records = sum(len(telegram.records) for telegram in device.telegrams)
        return Outline(
            device.device, len(device.telegrams), records, device.description, device.source, device.confidence
        )


def outline(name: str) -> Outline:
    """That of a device of the catalogue, without reading what its records are. DefinitionError as in `load`."""
    data = read_document(find(name)).data
    try:
        telegrams = data["telegrams"]
        records = sum(len(telegram.get("records", ())) for telegram in telegrams)
        header = DeviceHeader.model_validate(data["device"])
        confidence = Confidence(data["confidence"]) if "confidence" in data else None
        return Outline(header, len(telegrams), records, data.get("description"), data.get("source"), confidence)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Outline.of(load(name))  # which says what is wrong, and where


def load_file(path: Path) -> Device:
    """The device in a file, read again only when the file has changed."""
    try:
        state = os.stat(path)
    except OSError:
        return Device.from_file(path)
    return _load(str(path), (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=256)
def _load(path: str, _state: tuple[int, ...]) -> Device:
    return Device.from_file(path)
