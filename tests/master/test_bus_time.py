"""What a scan and a readout take of the line, to the ns of virtual time: nothing above what EN 13757-2 asks for."""

from __future__ import annotations

import pytest

from benchmarks.bus_time import BAUD, PRESENT, SCANNED, demanded_by_absent, read_time, scan_time
from mbusbench.timing import bit_time

NOTHING = 1000
"""ns by which sums of rounded bit times may differ."""


def test_empty_address_costs_the_request_and_the_wait_for_a_first_character() -> None:
    assert demanded_by_absent(1) == pytest.approx(bit_time(BAUD, 55 + 341) + 50_000_000, abs=2)


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("present", [[], [3, 19, 20]])
def test_scan_takes_what_the_standard_demands(present: list[int], attempts: int) -> None:
    found = scan_time(range(1, 21), present, attempts=attempts)
    assert abs(found.spent - found.demanded) <= NOTHING * 20


def test_scan_of_all_addresses_takes_what_the_standard_demands() -> None:
    assert scan_time(SCANNED, PRESENT).ratio <= 1.03


def test_readout_takes_its_characters_and_the_delays_of_the_slaves() -> None:
    found = read_time(range(1, 21))
    assert abs(found.spent - found.demanded) <= NOTHING * 20
