from __future__ import annotations

import struct
from datetime import datetime
from fractions import Fraction

import pytest

from mbusbench.codec.dib import DataInformationBlock
from mbusbench.codec.record import RecordHeader
from mbusbench.codec.vib import ValueInformationBlock
from mbusbench.definition.document import parse_document
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
EPOCH = datetime(2026, 1, 1)


def meter(*records: str, epoch: datetime = EPOCH, seed: str = "0", **overrides: str) -> Meter:
    lines = "".join(f"      - {record}\n" for record in records)
    head = "format: 1\ndevice: {manufacturer: KAM, version: 1, medium: heat, id: 12345678}\ntelegrams:\n  - records:\n"
    device = Device.from_document(parse_document(head + lines, "d.yaml"))
    return Meter(device, epoch=epoch, seed=seed, identification=overrides.get("identification"))


def values(subject: Meter, now: int) -> list[object]:
    """The values of the records of telegram 0, read by the codec's decoder."""
    data, position = subject.records(0, now), 0
    found: list[object] = []
    while position < len(data):
        dib = DataInformationBlock.decode(data, position)
        header = RecordHeader(dib, ValueInformationBlock.decode(data, position + len(dib.raw)))
        start = position + len(header.raw)
        position = header.data_end(data, start)
        found.append(header.value(data[start:position]))
    return found


def test_counter_that_follows_a_constant_power_for_a_year_is_the_closed_form() -> None:
    subject = meter(
        "{vif: energy, unit: kWh, code: int32, value: {counter: {start: 125000, follows: power}}}",
        "{vif: power, unit: W, scale: -1, code: int32, value: 1234.5}",
    )
    assert values(subject, 0) == [125000, 1234.5]
    assert values(subject, YEAR)[0] == 125000 + int(Fraction("1.2345") * 8760)


def test_counter_that_follows_a_daily_profile_for_a_year_is_the_closed_form() -> None:
    subject = meter(
        "{vif: energy, unit: Wh, code: int64, value: {counter: {start: 7, follows: power}}}",
        '{vif: power, unit: kW, scale: -3, code: int32, value: {daily: {points: {"00:00": 0, "12:00": 10}}}}',
    )
    assert values(subject, YEAR)[0] == pytest.approx(7e-3 + 365 * 120)
    assert subject.records(0, YEAR)[2:10] == (7 + 365 * 120_000).to_bytes(8, "little")
    assert subject.records(0, YEAR - 1)[2:10] == (6 + 365 * 120_000).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("energy", "power", "hours", "expected"),
    [
        ("unit: MJ", "{vif: power, unit: kW, code: int32, value: 1}", 10, 36),
        ("unit: GJ, scale: -1", "{vif: power, unit: kW, code: int32, value: 100}", 10, 3600),
        ("unit: MJ", "{vif: power, unit: MJ/h, code: int32, value: 5}", 10, 50),
        ("unit: kWh", "{vif: power, unit: MJ/h, code: int32, value: 36}", 10, 100),
        ("unit: MWh, scale: -1", "{vif: power, unit: MW, scale: -1, code: int32, value: 0.5}", 1, 500),
    ],
)
def test_counter_converts_what_it_follows(energy: str, power: str, hours: int, expected: int) -> None:
    subject = meter(f"{{vif: energy, {energy}, code: int32, value: {{counter: {{follows: power}}}}}}", power)
    assert values(subject, hours * HOUR)[0] == expected


def test_volume_follows_a_flow_in_raw_notation() -> None:
    subject = meter(
        '{dib: "0C", vib: "13", value: {counter: {start: 1000, follows: flow}}}',
        '{name: flow, dib: "02", vib: "3B", value: 250}',
    )
    assert values(subject, 3 * HOUR) == [1.75, 0.25]


@pytest.mark.parametrize(
    ("code", "start", "after"),
    [
        ("bcd4", 9998, b"\x01\x00"),
        ("bcd2", 97, b"\x00"),
        ("int8", 126, b"\x01"),
        ("int16", 32766, b"\x01\x00"),
    ],
)
def test_counter_rolls_over_where_its_register_is_full(code: str, start: int, after: bytes) -> None:
    subject = meter(f"{{vif: energy, unit: kWh, code: {code}, value: {{counter: {{start: {start}, rate: 1}}}}}}")
    assert subject.records(0, 3 * HOUR)[2:] == after


@pytest.mark.parametrize(("per", "time"), [("second", SECOND), ("minute", MINUTE), ("hour", HOUR), ("day", DAY)])
def test_rate_is_per_the_time_that_is_named(per: str, time: int) -> None:
    subject = meter(f"{{vif: energy, unit: kWh, code: int32, value: {{counter: {{rate: 2.5, per: {per}}}}}}}")
    assert [values(subject, when)[0] for when in (0, time, 2 * time, 4 * time - 1)] == [0, 2, 5, 9]


def test_ramp_holds_repeats_or_returns() -> None:
    subject = meter(
        *(
            f"{{name: {then}, vif: power, unit: W, code: int32, value: "
            f"{{ramp: {{from: 0, to: 100, over: 1h, then: {then}}}}}}}"
            for then in ("hold", "repeat", "return")
        )
    )
    assert values(subject, HOUR // 4) == [25, 25, 25]
    assert values(subject, HOUR) == [100, 0, 100]
    assert values(subject, HOUR * 5 // 4) == [100, 25, 75]
    assert values(subject, 2 * HOUR) == [100, 0, 0]


def test_falling_ramp_below_zero_in_binary_bcd_and_real() -> None:
    subject = meter(
        *(
            f"{{vif: temperature_difference, unit: K, scale: {scale}, code: {code}, value: "
            "{ramp: {from: 1, to: -1, over: 1h}}}"
            for code, scale in (("int16", -2), ("bcd6", -2), ("real32", 0))
        )
    )
    assert values(subject, HOUR * 3 // 4) == [-0.5, -0.5, -0.5]
    assert subject.records(0, HOUR)[-4:] == struct.pack("<f", -1.0)


def test_steps_and_their_repeat() -> None:
    subject = meter(
        "{vif: power, unit: W, code: int32, value: {step: {points: {0s: 1, 10min: 5}, repeat: 1h}}}",
        "{vif: energy, unit: Wh, scale: -2, code: int32, value: {counter: {follows: power}}}",
    )
    assert [values(subject, when)[0] for when in (0, 10 * MINUTE, HOUR - 1, HOUR)] == [1, 5, 5, 1]
    assert values(subject, 6 * HOUR)[1] == pytest.approx(6 * (10 * 1 + 50 * 5) / 60 / 1000)


def test_daily_profile_begins_at_the_epoch_s_time_of_day() -> None:
    record = '{vif: power, unit: W, code: int32, value: {daily: {shape: step, points: {"06:00": 1, "18:00": 2}}}}'
    assert [values(meter(record), hour * HOUR) for hour in (0, 6, 18)] == [[2], [1], [2]]
    noon = meter(record, epoch=datetime(2026, 1, 1, 12))
    assert [values(noon, hour * HOUR) for hour in (0, 6, 18)] == [[1], [2], [1]]


def test_clock_counts_from_the_epoch() -> None:
    subject = meter(
        "{vif: datetime, code: int32, value: {clock: now}}",
        "{vif: datetime, code: int48, value: {clock: now}}",
        "{vif: date, code: int16, value: {clock: now}}",
        "{vif: datetime, code: int24, value: {clock: now}}",
        epoch=datetime(2026, 2, 28, 23, 58, 30),
    )
    assert values(subject, 0)[:3] == [
        datetime(2026, 2, 28, 23, 58),
        datetime(2026, 2, 28, 23, 58, 30),
        datetime(2026, 2, 28).date(),
    ]
    found = values(subject, 90 * SECOND)
    assert found[:3] == [datetime(2026, 3, 1), datetime(2026, 3, 1), datetime(2026, 3, 1).date()]
    assert values(subject, 29 * SECOND)[:2] == [datetime(2026, 2, 28, 23, 58), datetime(2026, 2, 28, 23, 58, 59)]
    assert str(found[3]) == "00:00:00"


def test_clock_that_a_master_set_goes_on_from_there() -> None:
    subject = meter("{vif: datetime, code: int32, value: {clock: now}}")
    subject.set_clock(datetime(2030, 5, 17, 13, 45), HOUR)
    assert values(subject, HOUR) == [datetime(2030, 5, 17, 13, 45)]
    assert values(subject, HOUR + 16 * MINUTE) == [datetime(2030, 5, 17, 14, 1)]


def test_due_date_is_the_last_one() -> None:
    subject = meter(
        "{vif: date, code: int16, storage: 1, value: {due_date: {month: 6, day: 30}}}", epoch=datetime(2026, 6, 29)
    )
    assert [str(values(subject, day * DAY)[0]) for day in (0, 1, 300)] == ["2025-06-30", "2026-06-30", "2026-06-30"]


def test_identification_in_records_follows_a_write() -> None:
    subject = meter(
        "{vif: fabrication_number, code: bcd8, value: {device: id}}",
        "{vif: fabrication_number, code: int32, value: {device: id}}",
        identification="00A12345",
    )
    assert subject.records(0, 0)[2:6] == bytes.fromhex("4523A100")
    assert subject.records(0, 0)[8:] == (0xA12345).to_bytes(4, "little")
    assert subject.fabrication_number == bytes.fromhex("4523A100")
    subject.set_wire_address(bytes.fromhex("21436500") + subject.wire_address[4:])
    assert subject.identification == "00654321"
    assert subject.records(0, 0)[2:6] == bytes.fromhex("21436500")
    assert subject.records(0, 0)[8:] == (654321).to_bytes(4, "little")


def test_random_values_are_the_seed_s_and_nothing_else_s() -> None:
    records = (
        "{name: p, vif: power, unit: W, code: int32, value: {random: [0, 1000000]}}",
        "{vif: energy, unit: Wh, code: int64, value: {counter: {start: {random: [0, 1000000]}, follows: p}}}",
    )
    first, again, other = (meter(*records, seed=seed) for seed in ("7/meter/0", "7/meter/0", "7/meter/1"))
    for now in (0, HOUR, YEAR):
        assert first.records(0, now) == again.records(0, now)
        assert first.records(0, now) != other.records(0, now)
    # the counter follows the very value that the other record shows
    power = int.from_bytes(first.records(0, 0)[2:6], "little")
    energies = [int.from_bytes(first.records(0, now)[8:], "little") for now in (0, 1000 * HOUR)]
    assert power * 1000 <= energies[1] - energies[0] <= (power + 1) * 1000


def test_records_are_pure_functions_of_time() -> None:
    subject = Meter(catalogue.load("kamstrup/multical-603"))
    forwards = [subject.records(0, when * 7 * HOUR) for when in range(50)]
    backwards = [subject.records(0, when * 7 * HOUR) for when in reversed(range(50))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 50


def test_meters_of_one_device_share_what_does_not_differ() -> None:
    device = catalogue.load("schneider/iem3135")
    first, second = Meter(device), Meter(device, address=7)
    assert first._parts[0] is second._parts[0]


@pytest.mark.parametrize("name", catalogue.names())
def test_catalogue_device_moves_and_fits_its_telegrams(name: str) -> None:
    subject = Meter(catalogue.load(name))
    for telegram in subject.readout(None):
        sizes = {len(subject.records(telegram, now)) for now in (0, HOUR, 10 * YEAR)}
        assert len(sizes) == 1
        assert sizes.pop() <= 240
    assert subject.records(0, 0) != subject.records(0, 36 * HOUR)


def test_readout_of_three_telegrams_ends_with_0f() -> None:
    subject = Meter(catalogue.load("schneider/iem3135"))
    ends = [subject.records(telegram, 0)[-1] for telegram in range(3)]
    assert ends == [0x1F, 0x1F, 0x0F]
