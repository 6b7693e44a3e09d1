"""Who gets on, and who does not."""

from __future__ import annotations

from mbusbench.poller.operation.liveness import Liveness, Progress

S = 1_000_000_000


def test_part_that_does_nothing_though_it_has_to_is_stalled() -> None:
    liveness = Liveness(patience=10 * S)
    assert liveness.look([Progress("a", 1, True)], 0)
    assert liveness.look([Progress("a", 1, True)], 10 * S)
    assert not liveness.look([Progress("a", 1, True)], 11 * S)
    assert liveness.stalled == ("a",)


def test_any_step_is_getting_on() -> None:
    liveness = Liveness(patience=10 * S)
    assert all(liveness.look([Progress("a", step, True)], step * 9 * S) for step in range(20))


def test_part_may_rest_until_it_is_due() -> None:
    liveness = Liveness(patience=10 * S)
    for now in range(0, 3600 * S, 60 * S):
        assert liveness.look([Progress("a", 1, False)], now)
    assert liveness.look([Progress("a", 1, True)], 3600 * S)
    assert not liveness.look([Progress("a", 1, True)], 3611 * S)


def test_one_that_hangs_is_enough_and_is_named() -> None:
    liveness = Liveness(patience=10 * S)
    for now in range(0, 30 * S, S):
        liveness.look([Progress("well", now, True), Progress("hung", 7, True)], now)
    assert liveness.stalled == ("hung",)


def test_who_is_gone_is_forgotten() -> None:
    liveness = Liveness(patience=10 * S)
    liveness.look([Progress("a", 1, True)], 0)
    assert liveness.look([], 100 * S)
    assert liveness.look([Progress("a", 1, True)], 200 * S)
