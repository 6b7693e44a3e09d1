from __future__ import annotations

import pytest

from mbusbench.protocol.fcb import FcbMode, MasterFcb, Sequence, Service, SlaveFcb


def test_master_sends_1_first_and_toggles_after_each_success() -> None:
    fcb = MasterFcb()
    fcb.reset(5)
    bits = []
    for _ in range(4):
        bits.append(fcb.request_bit(5))
        fcb.success(5)
    assert bits == [1, 0, 1, 0]


def test_master_bit_stays_until_success_so_that_a_repeat_is_identical() -> None:
    fcb = MasterFcb()
    fcb.reset(5)
    assert [fcb.request_bit(5) for _ in range(3)] == [1, 1, 1]


def test_master_keeps_addresses_and_services_apart() -> None:
    fcb = MasterFcb()
    fcb.reset(5)
    fcb.reset(253)
    fcb.success(5)
    assert fcb.request_bit(5) == 0
    assert fcb.request_bit(253) == 1
    assert fcb.request_bit(5, Service.SND_UD) == 1
    fcb.success(5, Service.SND_UD)
    assert (fcb.request_bit(5), fcb.request_bit(5, Service.SND_UD)) == (0, 0)
    assert fcb.request_bit(5, Service.REQ_UD1) == 1


def test_master_reset_starts_every_service_again() -> None:
    fcb = MasterFcb()
    fcb.success(5)
    fcb.success(5, Service.SND_UD)
    fcb.reset(5)
    assert (fcb.request_bit(5), fcb.request_bit(5, Service.SND_UD)) == (1, 1)


def test_master_knows_an_address_only_after_its_reset() -> None:
    fcb = MasterFcb()
    assert not fcb.is_known(5)
    fcb.reset(5)
    fcb.reset(6)
    assert fcb.is_known(5)
    fcb.forget(5)
    assert not fcb.is_known(5)
    assert fcb.is_known(6)
    fcb.forget()
    assert not fcb.is_known(6)


@pytest.mark.parametrize(
    ("mode", "fcb", "expected"),
    [
        (FcbMode.STRICT, 1, Sequence.FIRST),
        (FcbMode.STRICT, 0, Sequence.REPEAT),
        (FcbMode.LENIENT, 1, Sequence.FIRST),
        (FcbMode.LENIENT, 0, Sequence.FIRST),
    ],
)
def test_first_frame_after_a_reset(mode: FcbMode, fcb: int, expected: Sequence) -> None:
    memory = SlaveFcb(mode)
    assert memory.judge(fcb) is expected
    memory.store(1)
    memory.reset()
    assert memory.judge(fcb) is expected


@pytest.mark.parametrize("mode", [FcbMode.STRICT, FcbMode.LENIENT])
@pytest.mark.parametrize("last", [0, 1])
def test_same_bit_is_a_repeat_and_the_other_bit_is_new(mode: FcbMode, last: int) -> None:
    memory = SlaveFcb(mode)
    memory.store(last)
    assert memory.judge(last) is Sequence.REPEAT
    assert memory.judge(1 - last) is Sequence.NEW


def test_judging_does_not_store() -> None:
    memory = SlaveFcb(FcbMode.LENIENT)
    assert memory.judge(1) is Sequence.FIRST
    assert memory.judge(1) is Sequence.FIRST


@pytest.mark.parametrize("last", [0, 1])
def test_slave_that_ignores_the_bit_takes_every_frame_for_new(last: int) -> None:
    memory = SlaveFcb(FcbMode.IGNORE)
    assert memory.judge(last) is Sequence.FIRST
    memory.store(last)
    assert memory.judge(last) is Sequence.NEW
