"""Devices by name: `kamstrup/multical-603` is `devices/kamstrup/multical-603.yaml`, of the wheel or of the checkout."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from mbusbench.definition.validation import did_you_mean, shown
from mbusbench.errors import DefinitionError
from mbusbench.meter.definition import Device

_SUFFIXES = (".yaml", ".yml")


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
    known = names()
    if name not in known:
        raise LookupError(f"there is no device {shown(name)}{did_you_mean(name, known)}")
    return directory() / f"{name}.yaml"


def load(name: str, relative_to: Path | None = None) -> Device:
    """The device by that name or path. DefinitionError where there is none, or its file is wrong."""
    try:
        path = find(name, relative_to)
    except LookupError as error:
        raise DefinitionError(str(error.args[0])) from None
    return load_file(path)


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
