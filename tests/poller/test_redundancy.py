"""The machine of main and backup: each pair of state and event, and what it counts."""

from __future__ import annotations

import pytest

from mbusbench.poller.redundancy import CHANNELS, TRANSITIONS, Channel, Event, Redundancy, State

PAIRS = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=[f"{state}-{event}" for state, event in PAIRS])
def test_event_leads_where_the_table_says_and_others_are_mistakes_of_ours(state: State, event: Event) -> None:
    machine = Redundancy(True, state=state)
    if event in TRANSITIONS[state]:
        machine._move(event, 5)
        assert machine.state is TRANSITIONS[state][event]
        assert (machine.errors, machine.since) == (0, 5)
    else:
        with pytest.raises(KeyError):
            machine._move(event, 5)


def test_every_state_has_exactly_one_channel() -> None:
    assert set(CHANNELS) == set(State) == set(TRANSITIONS)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_channel_is_changed_at_exactly_that_many_errors_in_a_row(limit: int) -> None:
    machine = Redundancy(True, limit=limit)
    for _ in range(limit - 1):
        assert not machine.failed(1)
    assert machine.failed(1)
    assert machine.channel is Channel.BACKUP
    assert machine.log == [(1, State.BACKUP, limit)]
    assert machine.changes == 1


def test_success_in_between_begins_the_count_anew() -> None:
    machine = Redundancy(True, limit=2)
    for _ in range(5):
        assert not machine.failed(0)
        machine.succeeded()
    assert machine.channel is Channel.MAIN


def test_backup_that_fails_too_gives_back_to_the_main_channel() -> None:
    machine = Redundancy(True, limit=1)
    assert machine.failed(0)
    assert machine.failed(1)
    assert machine.channel is Channel.MAIN
    assert machine.changes == 2


def test_without_a_backup_errors_only_say_that_it_is_down() -> None:
    machine = Redundancy(False, limit=2)
    assert not any(machine.failed(0) for _ in range(5))
    assert machine.is_down
    machine.succeeded()
    assert not machine.is_down


def test_main_channel_is_tried_each_time_that_the_time_for_it_is_over() -> None:
    machine = Redundancy(True, limit=1, probe=60)
    machine.failed(100)
    assert not machine.probe_is_due(159)
    assert machine.probe_is_due(160)
    machine.begin_probe(160)
    assert machine.channel is Channel.MAIN
    assert not machine.failed(161)
    machine.end_probe(False, 170)
    assert machine.channel is Channel.BACKUP
    assert machine.changes == 1
    assert not machine.probe_is_due(229)
    machine.begin_probe(230)
    machine.end_probe(True, 231)
    assert (machine.state, machine.changes) == (State.MAIN, 2)
    assert not machine.probe_is_due(1000)
