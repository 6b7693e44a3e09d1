from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbusbench.codec import commands
from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.commands import (
    ApplicationReset,
    DataSend,
    Payload,
    SelectDevice,
    SetBaudRate,
    Synchronise,
    UnknownCommand,
    decode_command,
)
from mbusbench.codec.frame import LongFrame
from mbusbench.codec.header import LongHeader, ShortHeader
from mbusbench.errors import MBusDecodeError, MBusUsageError
from mbusbench.timing import BAUD_RATES

OPEN = SecondaryAddress("FFFFFFFF")


def data(text: str) -> Payload:
    return commands.data_send(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("control", "address", "payload", "raw"),
    [
        (0x73, 0xFD, commands.select(OPEN), "680b0b6873fd52ffffffffffffffffba16"),
        (0x73, 0xFD, commands.select(SecondaryAddress("0FFFFFFF")), "680b0b6873fd52ffffff0fffffffffca16"),
        (0x73, 0xFD, commands.select(SecondaryAddress("1FFFFFFF")), "680b0b6873fd52ffffff1fffffffffda16"),
        (0x73, 0xFD, commands.select(SecondaryAddress("12345678")), "680b0b6873fd5278563412ffffffffd216"),
        (
            0x73,
            0xFD,
            commands.select(SecondaryAddress("12345678"), "01020304"),
            "6811116873fd5278563412ffffffff0c780403020160" + "16",
        ),
        (0x53, 0xFE, commands.application_reset(0x10), "6804046853fe5010b116"),
        (0x53, 0x05, commands.application_reset(), "68030368530550a816"),
        (0x73, 0x01, commands.application_reset(0x50), "680404687301505014" + "16"),
        (0x73, 0xFD, commands.application_reset(b"\x31"), "6804046873fd5031f116"),
        (0x53, 0xFE, commands.set_primary_address(8), "6806066853fe51017a082516"),
        (0x73, 0xFD, commands.set_primary_address(5), "6806066873fd51017a054116"),
        (
            0x53,
            0xFE,
            commands.set_identification(SecondaryAddress("01020304", 0x4024, 1, 4)),
            "680d0d6853fe5107790403020124400104" + "9516",
        ),
        (0x53, 0xFE, data("0c79785634120c0607010000"), "680f0f6853fe510c79785634120c06070100005516"),
        (0x53, 0x05, commands.set_clock(datetime(2024, 5, 17, 13, 45)), "68090968530551046d2d2d1135ba16"),
        (0x53, 0x05, data("04ed002d2d1135"), "680a0a6853055104ed002d2d11353a16"),
        (0x53, 0x05, data("426cfffc"), "68070768530551426cfffc5216"),
        (0x53, 0x07, commands.select_for_readout(b"\x08\x13", b"\x08\x5a"), "680707685307510813085a2816"),
        (0x53, 0x01, commands.select_for_readout(b"\xc8\x3f\x7e"), "68060668530151c83f7e2a16"),
        (0x53, 0x03, commands.select_for_readout(), "680404685303517f2616"),
        (0x53, 0x01, data("0c860007010000"), "680a0a685301510c8600070100003f16"),
        (0x53, 0x01, data("0c860110000000"), "680a0a685301510c8601100000004816"),
        (0x53, 0x05, data("0c860811050000"), "680a0a685305510c8608110500005916"),
        (0x53, 0x01, data("40da0b"), "6806066853015140da0bca16"),
        (0x53, 0x05, data("02fd1c6009"), "6808086853055102fd1c60092d16"),
        (0x53, 0xFE, commands.set_baud_rate(9600), "6803036853febd0e16"),
        (0x53, 0x05, commands.set_baud_rate(2400), "680303685305bb1316"),
    ],
)
def test_published_frames(control: int, address: int, payload: Payload, raw: str) -> None:
    frame = LongFrame(control, address, *payload)
    assert frame.encode().hex() == raw
    command = decode_command(frame.ci, frame.data)
    assert not isinstance(command, UnknownCommand)


def test_identification_number_alone() -> None:
    assert commands.set_identification("12345678") == (0x51, bytes.fromhex("0c7978563412"))


@pytest.mark.parametrize("baud", BAUD_RATES)
def test_every_baud_rate_has_its_ci(baud: int) -> None:
    ci, payload = commands.set_baud_rate(baud)
    assert ci == 0xB8 + BAUD_RATES.index(baud)
    assert decode_command(ci, payload) == SetBaudRate(baud)


def test_synchronise_in_both_editions() -> None:
    assert commands.synchronise() == (0x54, b"")
    assert commands.synchronise(edition_2018=True) == (0x5C, b"")
    assert decode_command(0x54, b"") == decode_command(0x5C, b"") == Synchronise()
    assert decode_command(0x54, b"\x10") == UnknownCommand(0x54, b"\x10")


@given(
    st.builds(
        SecondaryAddress,
        st.text("0123456789F", min_size=8, max_size=8),
        st.integers(0, 0xFFFF),
        st.integers(0, 255),
        st.integers(0, 255),
    ),
    st.none() | st.text("0123456789F", min_size=8, max_size=8),
)
def test_selection_round_trip(mask: SecondaryAddress, fabrication: str | None) -> None:
    ci, payload = commands.select(mask, fabrication)
    assert decode_command(ci, payload) == SelectDevice(mask, fabrication, payload)


def test_selection_in_mode_2() -> None:
    payload = bytes.fromhex("12345678" + "2324" + "2807" + "0c78" + "01020304")
    expected = SecondaryAddress("12345678", 0x2324, 0x28, 7)
    assert decode_command(0x56, payload) == SelectDevice(expected, "01020304", payload, True)
    assert decode_command(0x56, payload[:8]) == SelectDevice(expected, None, payload[:8], True)


@pytest.mark.parametrize(
    "text",
    ["", "78563412", "78563412ffffff", "78563412ffffffff0c", "78563412ffffffff0c7804", "78563412ffffffff0c7904030201"],
)
def test_data_that_are_no_mask_have_none(text: str) -> None:
    payload = bytes.fromhex(text)
    assert decode_command(0x52, payload) == SelectDevice(None, None, payload)


def test_application_reset_is_read_back() -> None:
    assert decode_command(0x50, b"") == ApplicationReset(b"")
    assert (ApplicationReset(b"").application, ApplicationReset(b"").block) == (0, 0)
    chosen = decode_command(0x50, b"\x31")
    assert isinstance(chosen, ApplicationReset)
    assert (chosen.application, chosen.block) == (3, 1)


def test_application_reset_with_and_without_its_long_header() -> None:
    header = LongHeader("12345678", 0x2324, 0x28, 7, 1, 0, 0)
    assert decode_command(0x53, b"\x50") == ApplicationReset(b"\x50")
    assert decode_command(0x53, header.encode() + b"\x50") == ApplicationReset(b"\x50", header)


def test_data_send_with_each_header() -> None:
    long = LongHeader("12345678", 0x2324, 0x28, 7, 1, 0, 0)
    short = ShortHeader(1, 0, 0)
    assert decode_command(0x51, b"\x7f") == DataSend(b"\x7f")
    assert decode_command(0x55, b"\x7f") == DataSend(b"\x7f", most_significant_first=True)
    assert decode_command(0x5A, short.encode() + b"\x7f") == DataSend(b"\x7f", short)
    assert decode_command(0x5B, long.encode() + b"\x7f") == DataSend(b"\x7f", long)


def test_unknown_command_keeps_all() -> None:
    assert decode_command(0xB1, b"\x01\x02") == UnknownCommand(0xB1, b"\x01\x02")


@given(st.integers(0, 255), st.binary(max_size=252))
def test_only_a_header_that_is_cut_off_is_an_error(ci: int, payload: bytes) -> None:
    try:
        decode_command(ci, payload)
    except MBusDecodeError:
        assert len(payload) < {0x5A: 4, 0x5B: 12}[ci]


@pytest.mark.parametrize("address", [-1, 251, 253, 255, 1000])
def test_addresses_that_no_meter_can_have_are_refused(address: int) -> None:
    with pytest.raises(MBusUsageError, match=r"0\.\.250"):
        commands.set_primary_address(address)


@pytest.mark.parametrize("identification", ["1234567", "1234567F", "12345678X", SecondaryAddress("12345678")])
def test_identifications_that_no_meter_can_have_are_refused(identification: str | SecondaryAddress) -> None:
    with pytest.raises(MBusUsageError):
        commands.set_identification(identification)


def test_other_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(MBusUsageError, match="sub-code 256"):
        commands.application_reset(256)
    with pytest.raises(MBusUsageError, match="11 sub-codes"):
        commands.application_reset(bytes(11))
    with pytest.raises(MBusUsageError, match="baud rate 115200"):
        commands.set_baud_rate(115200)
    with pytest.raises(MBusUsageError, match="253 bytes"):
        commands.data_send(bytes(253))
    with pytest.raises(MBusUsageError, match="fabrication number '123'"):
        commands.select(OPEN, "123")
    with pytest.raises(MBusUsageError, match="data field 8"):
        commands.select_for_readout(b"\x04\x13")
    with pytest.raises(MBusUsageError, match="data field 8"):
        commands.select_for_readout(b"")
