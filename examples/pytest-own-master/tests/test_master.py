"""What the master has to bear. Each test has a bus of its own."""

import pytest
from own_master import NoAnswerError

pytestmark = pytest.mark.mbus_bus("bus.yaml")


def test_meters_are_read(master):
    assert master.read_volume(5) == 148.117
    assert master.read_volume(6) == 7.5


def test_meter_is_read_again(master):
    assert master.read_volume(5) == 148.117
    assert master.read_volume(5) == 148.117


@pytest.mark.mbus_bus(faults=[{"name": "lost", "on": 5, "frame": "RSP_UD", "exactly": 1, "do": "drop"}])
def test_lost_answer_is_asked_for_again(master):
    assert master.read_volume(5) == 148.117


@pytest.mark.mbus_bus(faults=[{"name": "slow", "on": 5, "frame": "RSP_UD", "do": {"delay": "120ms"}}])
def test_slow_meter_is_waited_for(master):
    assert master.read_volume(5) == 148.117


def test_damaged_answer_is_not_believed(master, mbus_server):
    damage = {"bit_flips": {"bits": [299]}}
    mbus_server.arm({"name": "damaged", "on": 5, "frame": "RSP_UD", "exactly": 1, "do": damage})
    assert master.read_volume(5) == 148.117


@pytest.mark.mbus_bus(allow="nobody-there")
def test_absent_meter_is_an_error(master):
    with pytest.raises(NoAnswerError):
        master.read_volume(9)
