"""A sample of the interleavings in `interleavings.py`, the same every time; the campaign runs others."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.master.interleavings import Interleavings

EXAMPLES = 50
STEPS = 20
CAMPAIGN_EXAMPLES = int(os.environ.get("MBUSBENCH_INTERLEAVINGS", "3000"))

quiet = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)


def test_any_interleaving_leaves_the_master_usable() -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(quiet, max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=True, database=None),
    )


@pytest.mark.campaign
def test_any_interleaving_leaves_the_master_usable_over_and_over() -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(quiet, max_examples=CAMPAIGN_EXAMPLES, stateful_step_count=STEPS, database=None),
    )
