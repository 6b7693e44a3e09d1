"""Workers share connections fairly, and disturb as few as possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mbusbench.poller.operation.sharing import quota, shares


def settled(workers: list[str], connections: list[str], holders: dict[str, str]) -> dict[str, str]:
    """Who has what after each worker has decided until nobody changes anything."""
    for _ in range(2 * len(workers) + 2):
        before = dict(holders)
        for worker in workers:
            plan = shares(worker, workers, connections, holders)
            assert not {*plan.take} & {*holders}, "a lease that somebody holds is not taken"
            holders = {name: who for name, who in holders.items() if name not in plan.give_up}
            holders |= dict.fromkeys(plan.take, worker)
        if holders == before:
            return holders
    raise AssertionError("they never come to rest")


NAMES = st.integers(0, 40).map("c{}".format)


@given(
    workers=st.sets(st.sampled_from("abcdef"), min_size=1),
    connections=st.sets(NAMES),
    holders=st.dictionaries(NAMES, st.sampled_from("abcdef")),
)
def test_each_connection_gets_one_worker_and_none_has_two_more_than_another(
    workers: set[str], connections: set[str], holders: dict[str, str]
) -> None:
    alive = {name: who for name, who in holders.items() if who in workers}
    found = settled(sorted(workers), sorted(connections), alive)
    assert set(found) == connections
    counts = [list(found.values()).count(worker) for worker in workers]
    assert max(counts) - min(counts) <= 1


def test_worker_that_dies_leaves_the_others_what_they_have() -> None:
    connections = [f"c{number}" for number in range(9)]
    before = settled(["a", "b", "c"], connections, {})
    left = {name: who for name, who in before.items() if who != "b"}
    after = settled(["a", "c"], connections, left)
    assert {name: after[name] for name in left} == left


def test_worker_that_comes_gets_its_share_and_no_more_is_moved() -> None:
    connections = [f"c{number}" for number in range(10)]
    alone = settled(["a"], connections, {})
    both = settled(["a", "b"], connections, alone)
    assert sorted(both.values()).count("b") == 5
    assert sum(both[name] != alone[name] for name in connections) == 5


def test_remainder_goes_to_the_first_by_name() -> None:
    assert [quota(worker, {"b", "a", "c"}, 8) for worker in "abc"] == [3, 3, 2]


def test_connection_that_was_taken_out_of_the_configuration_is_given_up() -> None:
    assert shares("a", ["a"], ["c1"], {"c1": "a", "c2": "a"}).give_up == ("c2",)
