"""Whole frames in hex that any test may use, each under a name.

READOUTS are answers of a slave, COMMANDS go to one, ANSWERS are the short and error answers, BROKEN is what a receiver
must refuse, wholly or from some octet on. The worked examples are those of The M-Bus 4.8, EN 13757-3 and the OMS
specification; the recordings come from the BSD-licensed test data of libmbus and from public bug reports.
"""

from __future__ import annotations

READOUTS: dict[str, str] = {
    "water_three_records": "681f1f680802727856341224400107550000000313153100da023b13018b60043718021816",
    "water_fixed": "68131368080573785634120a00e97e01000000350100003c16",
    "gas_oms": "6820206808fd7278563412931533032a0000000c1427048502046d32371f1502fd1700008916",
    "heat_fixed": "68131368080173939291901000056931650000690000003f16",
    "water_text_and_manufacturer_tail": (
        "685959680800728213020865329906eb0000000c13010100000b22520902046d38086e19326c00000c788213020806fd0c0a0001"
        "00fa010dfd0b05313248465701fd0e000b3b0000000f37fd170000000000000000027a0d0002780d001116"
    ),
    "electricity_manufacturer_vife": (
        "68383868081972076200232e192302920000008c1004682817008c11046828170002fdc9ff01e60002fddbff01060002acff0109"
        "008240acff01fdff5b16"
    ),
    "heat_first_of_several": (
        "6871716808007229768510496a8804410000000c782976851004069300000082046cc121c284006cffff84040600000000c48400"
        "0600000080820a6cc124840a06000000000413c34201000259da0b025df9090261e101042d25000000043ba6020000046d0807dc"
        "2404267d01000002fd1700001f7116"
    ),
    "humidity_plain_text": (
        "685353680805723408005496153200f200000001fd1b0002fc0348522574d41122fc0348522574c81112fc0348522574b4160265"
        "d00822657008126523090172184265e408820165dd080c783408005403fd0f0000041f5d16"
    ),
    "gas_idle_fillers": (
        "6840406808017258200812e2304003400000002f2f4c1392408310466d0000081627000d78113431383530323830323139353731"
        "3030478940fd1a0101fd170001fd670f3816"
    ),
    "heat_bcd_letters": (
        "685e5e680800729085712624232804735000000c05000000000c12420700003c2addb4ebdd3b3addb4eb0a5a04020a5e04020a62"
        "0000046d22108d114c0500000000446d3b177e1444ed7e3b179e148c01050000000084016d3b177f1c0b265365080416"
    ),
    "heat_cost_allocator_encrypted": (
        "682c2c6808fd7288776655934455080004100500dfe2a782146d1513581cd2f83f39040cfd10785634120c78443322112616"
    ),
}

#: AES key of `heat_cost_allocator_encrypted` (OMS specification volume 2, annex N).
OMS_KEY = bytes(range(16))

COMMANDS: dict[str, str] = {
    "snd_nke": "1040014116",
    "req_ud2_fcb_0": "105b015c16",
    "req_ud2_fcb_1": "107b017c16",
    "req_ud1": "105a015b16",
    "select_everything": "680b0b6873fd52ffffffffffffffffba16",
    "set_primary_address": "6806066853fe51017a082516",
    "set_primary_address_of_the_selected": "6806066873fd51017a054116",
    "set_identification": "680d0d6853fe51077904030201244001049516",
    "set_identification_and_energy": "680f0f6853fe510c79785634120c06070100005516",
    "set_clock": "68090968530551046d2d2d1135ba16",
    "set_clock_by_write": "680a0a6853055104ed002d2d11353a16",
    "set_due_date_every_year": "68070768530551426cfffc5216",
    "select_volume_and_flow_temperature": "680707685307510813085a2816",
    "select_all_storages": "68060668530151c83f7e2a16",
    "global_readout_request": "680404685303517f2616",
    "write_energy": "680a0a685301510c8600070100003f16",
    "add_energy": "680a0a685301510c8601100000004816",
    "add_entry": "680a0a685305510c8608110500005916",
    "freeze": "6806066853015140da0bca16",
    "set_baud_rate_record": "6808086853055102fd1c60092d16",
    "set_9600_baud": "6803036853febd0e16",
    "application_reset": "68030368530550a816",
    "user_data_of_all": "6804046853fe5010b116",
    "instantaneous_values": "68040468730150501416",
}

ANSWERS: dict[str, str] = {
    "acknowledge": "e5",
    "application_error_without_code": "680303680801707916",
    "application_busy": "68040468080170088116",
    "too_many_readouts": "68040468080170098216",
    "unimplemented_ci": "68040468080170017a16",
    "alarm": "68040468080171047e16",
}

BROKEN: dict[str, str] = {
    "header_too_short": "680808680802727856341224b416",
    "data_ends_in_dife": "681a1a680802727856341224400107550000000313153100da023b13018b6316",
    "data_ends_in_value": "681e1e680802727856341224400107550000000313153100da023b13018b600437181616",
    "too_many_dife": ("682929680802727856341224400107550000000313153100da023b13018b8b8b8b8b8b8b8b8b8b8b60043718028616"),
    "too_many_vife": (
        "682a2a680802727856341224400107550000000313153100da023b13018b60848484848484848484848404371802c416"
    ),
    "wrong_checksum": "681f1f680802727856341224400107550000000313153100da023b13018b60043718021916",
    "lengths_differ": "681f1e680802727856341224400107550000000313153100da023b13018b60043718021816",
}


def long_frame(data: bytes, *, ci: int = 0x72, control: int = 0x08, address: int = 1) -> bytes:
    """A long frame around `data` (what follows CI), with its lengths and checksum."""
    body = bytes((control, address, ci)) + data
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


#: 12 octets: identification 12345678, PAD, version 1, water, access number 85, status and configuration 0.
LONG_HEADER = bytes.fromhex("785634122440010755000000")


def readout(records: bytes) -> bytes:
    """An RSP_UD with CI 72, LONG_HEADER and these records."""
    return long_frame(LONG_HEADER + records)


def every_frame() -> dict[str, bytes]:
    """All of the above as bytes."""
    return {
        name: bytes.fromhex(text) for group in (READOUTS, COMMANDS, ANSWERS, BROKEN) for name, text in group.items()
    }
