"""Masters that are wrong about secondary addresses."""

from __future__ import annotations

from mbusbench.codec.address import SecondaryAddress
from mbusbench.scenario.verdict import Column
from tests.mutants import Mutant
from tests.mutants.making import lying, patched

_encode = SecondaryAddress.encode


def _most_significant_byte_first(address: SecondaryAddress) -> bytes:
    data = _encode(address)
    return data[3::-1] + data[4:]


MUTANTS = [
    Mutant(
        "MUT-SEC-SEL-01",
        "SEC-SEL-01",
        "sends the identification with the most significant byte first",
        Column.WIRE,
        patched(SecondaryAddress, encode=_most_significant_byte_first),
    ),
    Mutant("MUT-SEC-SRC-01", "SEC-SRC-01", "stops at the first", Column.REPORT, lying(lambda meters: meters[:1])),
]
