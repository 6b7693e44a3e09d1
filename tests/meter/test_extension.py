"""A class in Python extends a device, where the user lets it."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.errors import DefinitionError
from mbusbench.meter import extension
from mbusbench.meter.definition import Device
from mbusbench.meter.extension import DeviceExtension
from mbusbench.meter.meter import Meter
from mbusbench.protocol.slave.quirk import Following, QuirkedLink, Records

DEVICE = """
format: 1
python: {python}
device: {{manufacturer: HYD, version: 0x28, medium: water, id: "12345678", address: 5}}
telegrams:
  - records: [{{vif: volume, unit: m3, scale: -3, code: int32, value: 1.234}}]
"""
REQUEST = ShortFrame(0x7B, 5)


class Backwards(DeviceExtension):
    """Sends its records the wrong way round, and answers a link reset with silence."""

    def records(self, telegram: int, now: int, following: Records) -> bytes:
        return following(telegram, now)[::-1]

    def receive(self, link: QuirkedLink, frame: Frame, now: int, following: Following) -> Frame | None:
        answer = following(frame, now)
        return None if answer == ACK else answer


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "_allowed", set())
    monkeypatch.delenv(extension.VARIABLE, raising=False)


def device(tmp_path: Path, python: str) -> Device:
    path = tmp_path / "device.yaml"
    path.write_text(DEVICE.format(python=python), encoding="utf-8")
    return Device.from_file(path)


def check_is_extended(meter: Meter) -> None:
    frame = meter.link.receive(REQUEST, 0)
    assert isinstance(frame, LongFrame)
    assert frame.data[12:] == bytes.fromhex("0413D2040000")[::-1]
    assert meter.link.receive(ShortFrame(0x40, 5), 0) is None


def test_class_of_an_allowed_module_extends_the_device(tmp_path: Path) -> None:
    extension.allow("tests.meter")
    check_is_extended(Meter(device(tmp_path, "tests.meter.test_extension:Backwards")))


def test_module_is_allowed_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(extension.VARIABLE, "other,tests.meter.test_extension")
    check_is_extended(Meter(device(tmp_path, "tests.meter.test_extension:Backwards")))


def test_entry_point_needs_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = EntryPoint("backwards", "tests.meter.test_extension:Backwards", extension.GROUP)
    monkeypatch.setattr(extension, "entry_points", lambda **chosen: EntryPoints([own]).select(**chosen))
    check_is_extended(Meter(device(tmp_path, "backwards")))


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("os:system", "Python of 'os' is not allowed: whoever trusts it says --python os"),
        ("tests.meterx:B", "Python of 'tests.meterx' is not allowed: whoever trusts it says --python tests.meterx"),
        ("tests.meter.absent:A", "'tests.meter.absent' cannot be imported: ModuleNotFoundError: "
         "No module named 'tests.meter.absent'"),
        ("tests.meter.test_extension:DEVICE", "'tests.meter.test_extension:DEVICE' is no class derived from "
         "mbusbench.meter.extension.DeviceExtension"),
        ("nobody", "no installed package has an entry point 'nobody' in mbusbench.devices (there are: none)"),
        ("7", "7 is neither module:Class nor the name of an entry point of mbusbench.devices"),
    ],
)  # fmt: skip
def test_class_that_cannot_be_used_is_one_line(tmp_path: Path, python: str, line: str) -> None:
    extension.allow("tests.meter")
    with pytest.raises(DefinitionError) as error:
        device(tmp_path, python)
    assert str(error.value) == f"{tmp_path}/device.yaml:3:9 python: {line}"
