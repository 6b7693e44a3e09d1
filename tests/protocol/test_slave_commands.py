"""What a slave does with SND_UD, and what it reports (EN 13757-3; The M-Bus 4.8, application layer)."""

from __future__ import annotations

from datetime import datetime

import pytest

from mbusbench.codec.frame import ACK, LongFrame, ShortFrame
from mbusbench.protocol.slave.settings import Errors, Lasts, Refusal
from tests.protocol.slave_bench import FIRST, SECOND, THIRD, Bench

LONG_HEADER = "78563412 2D2C 35 04 00 00 0000 "


def applications(**settings: object) -> Bench:
    """Telegram 1 is the ordinary readout, 2 and 3 belong to application 5."""
    bench = Bench(telegrams=(THIRD, FIRST, SECOND), **settings)  # type: ignore[arg-type]
    bench.device.applications = {0x50: (1, 2), 0x51: (2,)}
    ordinary = bench.device.readout
    bench.device.readout = lambda code: (0,) if code is None else ordinary(code)  # type: ignore[method-assign]
    bench.application.choose_application(None)
    return bench


def readout(bench: Bench, count: int = 3) -> list[int | None]:
    return [bench.telegram(0x4B, bench.device.address) for _ in range(count)]


@pytest.mark.parametrize("ci", [0x50, 0x53])
def test_application_select_starts_with_the_first_telegram_of_the_application(ci: int) -> None:
    bench = applications()
    assert readout(bench, 2) == [1, 1]
    bench.command(ci, "50")
    assert bench.application.selected_application == 0x50
    assert readout(bench) == [2, 3, 2]
    bench.command(ci, "51")
    assert readout(bench, 2) == [3, 3]


def test_application_select_with_a_long_header() -> None:
    bench = applications()
    bench.command(0x53, LONG_HEADER + "50")
    assert readout(bench, 2) == [2, 3]


@pytest.mark.parametrize("data", ["", "00"])
def test_application_reset_without_a_subcode_goes_back_to_the_ordinary_readout(data: str) -> None:
    bench = applications()
    bench.command(0x50, "50")
    assert readout(bench, 1) == [2]
    bench.command(0x50, data)
    assert bench.application.selected_application is None
    assert readout(bench, 2) == [1, 1]


@pytest.mark.parametrize(
    ("lasts", "after_readout", "after_reset", "after_power_up"),
    [(Lasts.POWER, 2, 2, 1), (Lasts.RESET, 2, 1, 1), (Lasts.READOUT, 1, 1, 1)],
)
def test_how_long_an_application_stays_selected(
    lasts: Lasts, after_readout: int, after_reset: int, after_power_up: int
) -> None:
    bench = applications(application_lasts=lasts)
    bench.command(0x50, "50")
    assert readout(bench) == [2, 3, after_readout]
    bench.command(0x50, "50")
    assert readout(bench, 2) == [2, 3]
    bench.short(0x40)
    assert bench.telegram(0x7B) == after_reset
    bench.command(0x50, "50")
    bench.link.power_up(0)
    assert bench.telegram(0x7B) == after_power_up


def test_unknown_application_gives_the_ordinary_readout_or_an_error() -> None:
    bench = applications()
    bench.command(0x50, "90")
    assert readout(bench, 1) == [1]
    bench = applications(unknown_application=Refusal.ERROR)
    bench.command(0x50, "90")
    assert bench.error() == 0x15
    assert readout(bench, 1) == [1]


def test_selection_for_readout_holds_for_one_readout() -> None:
    bench = Bench()
    assert bench.send("68 07 07 68 53 05 51 08 13 08 5A 26 16") == "E5"
    assert bench.request().data[12:] == bytes.fromhex("2F 08 13 2F 08 5A")
    assert readout(bench) == [1, 2, 3]


def test_selection_for_readout_survives_the_link_reset_before_its_readout() -> None:
    bench = Bench()
    bench.command(0x51, "0813")
    assert bench.short(0x40) == ACK
    assert bench.short(0x7B) == bench.short(0x7B)
    assert bench.application.next_datagram(0) == (0x72, bench.request().data[:8] + b"\x56\x00\x00\x00" + FIRST)


@pytest.mark.parametrize(
    ("lasts", "after_readout", "after_reset"),
    [(Lasts.READOUT, False, False), (Lasts.RESET, True, False), (Lasts.POWER, True, True)],
)
def test_how_long_a_selection_for_readout_holds(lasts: Lasts, after_readout: bool, after_reset: bool) -> None:
    bench = Bench(selection_lasts=lasts)
    bench.command(0x51, "0813")

    def restricted() -> bool:
        return bench.request().data[12:] == bytes.fromhex("2F 08 13")

    assert restricted()
    assert restricted() is after_readout
    bench.short(0x40)
    assert restricted() is after_reset
    bench.link.power_up(0)
    assert not restricted()


def test_global_readout_request_ends_a_selection() -> None:
    bench = Bench(address=3, selection_lasts=Lasts.POWER)
    assert bench.long(0x73, 3, 0x51, "0813") == ACK
    assert bench.send("68 04 04 68 53 03 51 7F 26 16") == "E5"
    assert readout(bench) == [1, 2, 3]


def test_application_reset_ends_a_selection() -> None:
    bench = Bench(selection_lasts=Lasts.POWER)
    bench.command(0x51, "0813")
    bench.command(0x50)
    assert readout(bench) == [1, 2, 3]


@pytest.mark.parametrize(
    ("ci", "data", "when"),
    [
        (0x51, "04 6D 2D 2D 11 35", datetime(2024, 5, 17, 13, 45)),
        (0x51, "04 ED 00 2D 2D 11 35", datetime(2024, 5, 17, 13, 45)),
        (0x51, "06 6D 1E 2D 0D 11 35 00", datetime(2024, 5, 17, 13, 45, 30)),
        (0x5B, LONG_HEADER + "04 6D 2D 2D 11 35", datetime(2024, 5, 17, 13, 45)),
        (0x5A, "00 00 0000 04 6D 2D 2D 11 35", datetime(2024, 5, 17, 13, 45)),
        (0x6C, LONG_HEADER + "00 2D 2D 11 35", datetime(2024, 5, 17, 13, 45)),
        (0x6C, LONG_HEADER + "00 1E 2D 0D 11 35 00", datetime(2024, 5, 17, 13, 45, 30)),
    ],
)
def test_clock_is_set(ci: int, data: str, when: datetime) -> None:
    bench = Bench()
    bench.command(ci, data)
    assert bench.device.shown == when
    assert bench.error() is None


@pytest.mark.parametrize(
    ("ci", "data", "error"),
    [
        (0x51, "04 6D 00 00 00 00", 0x15),
        (0x6C, LONG_HEADER + "01 2D 2D 11 35", 0x15),
        (0x6C, LONG_HEADER + "00 2D 2D", 0x04),
        (0x6C, LONG_HEADER + "00 2D 2D 11 35 01 02 03", 0x16),
        (0x6D, LONG_HEADER + "01 2D 2D 11 35", 0x01),
    ],
)
def test_clock_is_not_set_by_what_is_no_time(ci: int, data: str, error: int) -> None:
    bench = Bench()
    bench.command(ci, data)
    assert bench.device.shown is None
    assert bench.error() == error


@pytest.mark.parametrize("ci", [0x54, 0x5C])
def test_synchronise_rounds_the_clock_where_the_slave_does_that(ci: int) -> None:
    for shown, expected in [
        (datetime(2026, 1, 1, 11, 59, 31), datetime(2026, 1, 1, 12, 0)),
        (datetime(2026, 1, 1, 12, 0, 29), datetime(2026, 1, 1, 12, 0)),
    ]:
        bench = Bench(synchronise_clock=True)
        bench.device.shown = shown
        assert bench.long(0x43, 255, ci) is None
        assert bench.device.shown == expected
        bench = Bench()
        bench.device.shown = shown
        bench.command(ci)
        assert bench.device.shown == shown


def test_delayed_action_waits_for_synchronise() -> None:
    bench = Bench()
    bench.command(0x51, "0C 93 0A 10 00 00 00")
    assert bench.device.written == []
    bench.command(0x5C)
    assert [(record.action, record.vib.raw, record.value) for record in bench.device.written] == [
        ("write", b"\x13", b"\x10\x00\x00\x00")
    ]
    bench.command(0x5C)
    assert len(bench.device.written) == 1


def test_delayed_action_is_forgotten_without_power() -> None:
    bench = Bench()
    bench.command(0x51, "0C 93 0A 10 00 00 00")
    bench.link.power_up(0)
    bench.command(0x5C)
    assert bench.device.written == []


@pytest.mark.parametrize(
    ("data", "action", "vib"),
    [
        ("0C 13 10 00 00 00", "write", "13"),
        ("0C 93 00 10 00 00 00", "write", "13"),
        ("0C 93 01 10 00 00 00", "add", "13"),
        ("0C 93 BC 02 10 00 00 00", "subtract", "93 3C"),
        ("0C FB 88 07 10 00 00 00", "clear", "FB 08"),
    ],
)
def test_object_action_is_taken_off_the_record_that_it_is_about(data: str, action: str, vib: str) -> None:
    bench = Bench()
    bench.command(0x51, data)
    (record,) = bench.device.written
    assert (record.action, record.vib.raw) == (action, bytes.fromhex(vib))


def test_records_behind_fillers_are_executed_in_order() -> None:
    bench = Bench()
    bench.command(0x51, "2F 0C 13 01 00 00 00 2F 01 7A 09")
    assert len(bench.device.written) == 1
    assert bench.device.address == 9


def test_write_of_identification_and_value_in_one_command() -> None:
    bench = Bench()
    assert bench.send("68 0F 0F 68 53 FE 51 0C 79 78 56 34 12 0C 06 07 01 00 00 55 16") == "E5"
    assert bench.device.wire_address[:4] == bytes.fromhex("78563412")
    assert bench.error() == 0x12


@pytest.mark.parametrize("address", [251, 253, 254, 255])
def test_wrong_primary_address_is_refused_with_an_error_or_ignored(address: int) -> None:
    for setting, error in [(Refusal.ERROR, 0x15), (Refusal.IGNORE, None)]:
        bench = Bench(wrong_address=setting)
        bench.command(0x51, f"01 7A {address:02X}")
        assert bench.device.address == 5
        assert bench.error() == error


def test_address_is_set_on_the_selected_slave_and_valid_at_once() -> None:
    bench = Bench(address=0)
    bench.device.wire_address = bytes.fromhex("78563412 2D2C 35 04")
    bench.select()
    assert bench.send("68 06 06 68 73 FD 51 01 7A 05 41 16") == "E5"
    assert bench.link.is_selected
    assert bench.short(0x40, 0) is None
    assert bench.short(0x40, 5) == ACK


@pytest.mark.parametrize("deselects", [True, False])
def test_new_identification_deselects(deselects: bool) -> None:
    bench = Bench(new_id_deselects=deselects)
    bench.select()
    assert bench.long(0x53, 253, 0x51, "0C79 04030201") == ACK
    assert bench.device.wire_address[:4] == bytes.fromhex("04030201")
    assert bench.link.is_selected is not deselects
    assert (bench.short(0x4B, 253) is None) is deselects


TOO_MANY_DIFES = "8C" + "80" * 10 + "00 13 00000000"
TOO_MANY_VIFES = "0C 93" + "BC" * 10 + "3C 00000000"


@pytest.mark.parametrize(
    ("ci", "data", "error"),
    [
        *((ci, "", 0x01) for ci in (0x00, 0x55, 0x60, 0x70, 0x72, 0x80, 0xA0, 0xB7, 0xC0, 0xFF)),
        (0x51, "0C", 0x04),
        (0x51, "8C", 0x04),
        (0x51, "0C 93", 0x04),
        (0x51, "0C 13 00 00 00", 0x04),
        (0x51, "0D 78", 0x04),
        (0x51, "0D 78 05 31 32", 0x04),
        (0x51, "0D 78 FF", 0x12),
        (0x51, TOO_MANY_DIFES, 0x05),
        (0x51, TOO_MANY_VIFES, 0x06),
        (0x51, "0C 06 00 00 00 00", 0x12),
        (0x5B, LONG_HEADER[:20], 0x04),
        (0x5B, "78563412 2D2C 35 04 00 00 1005" + "00" * 16, 0x21),
    ],
)
def test_code_of_what_could_not_be_executed(ci: int, data: str, error: int) -> None:
    bench = Bench()
    bench.command(ci, data)
    assert bench.request() == LongFrame(0x08, 5, 0x70, bytes([error]))
    assert bench.error() is None


def test_ten_extensions_are_not_too_many() -> None:
    bench = Bench()
    bench.command(0x51, "8C" + "80" * 9 + "00 13 00000000")
    bench.command(0x51, "0C 93" + "BC" * 9 + "3C 00000000")
    assert bench.error() is None
    assert len(bench.device.written) == 2


def test_buffer_and_number_of_records_are_limited_where_the_slave_says_so() -> None:
    bench = Bench(command_bytes=6, command_records=1)
    bench.command(0x51, "0C 13 00 00 00 00 2F")
    assert bench.error() == 0x02
    bench.command(0x51, "01 7A 05 01 7A 06")
    assert bench.error() == 0x03
    assert bench.device.address == 5
    bench.command(0x51, "01 7A 06")
    assert bench.device.address == 6


@pytest.mark.parametrize(
    ("errors", "reported"),
    [(Errors.DETAILED, [0x01, 0x15]), (Errors.BASIC, [0x01, 0x00]), (Errors.NONE, [None, None])],
)
def test_which_errors_are_reported(errors: Errors, reported: list[int | None]) -> None:
    bench = Bench(errors=errors)
    codes = []
    for ci, data in [(0xA0, ""), (0x51, "01 7A FB")]:
        bench.command(ci, data)
        codes.append(bench.error())
    assert codes == reported


def test_error_is_forgotten_without_power() -> None:
    bench = Bench()
    bench.command(0xA0)
    bench.link.power_up(0)
    assert bench.error() is None


def test_link_reset_keeps_the_error_to_report() -> None:
    bench = Bench()
    bench.command(0xA0)
    assert bench.receive(ShortFrame(0x40, 5)) == ACK
    assert bench.error() == 0x01


def test_repeated_write_is_executed_once() -> None:
    bench = Bench()
    bench.short(0x40)
    for _ in range(3):
        assert bench.long(0x73, 5, 0x51, "0C 93 01 10 00 00 00") == ACK
    assert len(bench.device.written) == 1
    assert bench.long(0x53, 5, 0x51, "0C 93 01 10 00 00 00") == ACK
    assert len(bench.device.written) == 2
