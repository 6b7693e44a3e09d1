from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench import timing

BAUD = st.sampled_from(timing.BAUD_RATES)


@pytest.mark.parametrize(
    ("baud", "limits"),
    [
        (300, (3_333_333, 36_666_667, 110_000_000, 36_666_667, 1_150_000_000, 1_186_666_667)),
        (600, (1_666_667, 18_333_333, 55_000_000, 18_333_333, 600_000_000, 618_333_333)),
        (1200, (833_333, 9_166_667, 27_500_000, 9_166_667, 325_000_000, 334_166_667)),
        (2400, (416_667, 4_583_333, 13_750_000, 4_583_333, 187_500_000, 192_083_333)),
        (4800, (208_333, 2_291_667, 6_875_000, 2_291_667, 118_750_000, 121_041_667)),
        (9600, (104_167, 1_145_833, 3_437_500, 1_145_833, 84_375_000, 85_520_833)),
        (19200, (52_083, 572_917, 1_718_750, 572_917, 67_187_500, 67_760_417)),
        (38400, (26_042, 286_458, 859_375, 286_458, 58_593_750, 58_880_208)),
    ],
)
def test_limits_at_every_baud_rate(baud: int, limits: tuple[int, ...]) -> None:
    assert limits == (
        timing.bit_time(baud),
        timing.character_time(baud),
        timing.idle_time(baud),
        *timing.response_window(baud),
        timing.first_character_timeout(baud),
    )


def test_the_longest_frame_takes_1196_ms_at_2400_baud() -> None:
    assert timing.character_time(2400, 261) == 1_196_250_000


@given(baud=BAUD, bits=st.integers(0, 10**6))
def test_a_span_is_rounded_once(baud: int, bits: int) -> None:
    assert abs(timing.bit_time(baud, bits) * baud - bits * 10**9) * 2 <= baud
