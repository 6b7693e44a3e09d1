"""One record after the other against its rule: `records.ROWS`."""

from __future__ import annotations

from typing import Any

import pytest

from mbusbench.codec.telegram import Telegram
from tests.outside.normalise import compare_record
from tests.outside.records import ROWS, Row
from tests.telegrams import LONG_HEADER


def _expected(row: Row) -> dict[str, Any]:
    return {
        "function": row.function,
        "storage": row.storage,
        "tariff": row.tariff,
        "device": row.subunit,
        "quantity": row.quantity,
        "unit": row.unit,
        "value": row.value,
    }


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.head}-{row.data}" for row in ROWS])
def test_record_means_what_its_rule_says(row: Row) -> None:
    raw = bytes.fromhex(row.head + row.data)
    telegram = Telegram.decode(0x72, LONG_HEADER + raw)
    assert telegram.diagnostics == ()
    (record,) = telegram.records
    assert [found for found in compare_record(record, _expected(row)) if found[0] != "qualifiers"] == []
    assert record.encode() == raw
    assert telegram.encode() == LONG_HEADER + raw


def test_all_rows_in_one_telegram_read_as_each_alone() -> None:
    rows = [row for row in ROWS if not row.head.startswith(("02fc", "027c"))]
    for start in range(0, len(rows), 20):
        part = rows[start : start + 20]
        telegram = Telegram.decode(0x72, LONG_HEADER + b"".join(bytes.fromhex(row.head + row.data) for row in part))
        assert telegram.diagnostics == ()
        alone = [
            Telegram.decode(0x72, LONG_HEADER + bytes.fromhex(row.head + row.data)).records[0].value for row in part
        ]
        assert [record.value for record in telegram.records] == alone
