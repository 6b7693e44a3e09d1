from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from tests.sinks.samples import reading

ROUNDS = 200


def test_killed_at_200_random_moments_nothing_acknowledged_is_lost_or_doubled_or_out_of_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sinks.killing", str(tmp_path), str(ROUNDS), "7"]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    acknowledged: dict[str, list[int]] = json.loads(result.stdout)
    assert sum(map(len, acknowledged.values())) >= ROUNDS / 2

    lines = (tmp_path / "readings.jsonl").read_text().splitlines()
    with closing(sqlite3.connect(tmp_path / "readings.sqlite")) as database:
        rows = [key for (key,) in database.execute("SELECT key FROM reading ORDER BY rowid")]
        (values,) = database.execute("SELECT count(*) FROM value").fetchone()
    for arrived in ([json.loads(line)["key"] for line in lines], rows):
        assert len(arrived) == len(set(arrived))
        for connection, numbers in acknowledged.items():
            expected = {reading(number, connection=connection).key for number in numbers}
            own = [key for key in arrived if key.startswith(f"{connection}/")]
            assert expected <= set(own)
            # What was stored but not acknowledged any more: at most the last append of each process.
            assert len(own) - len(expected) <= 3 * ROUNDS
            assert all(earlier < later for earlier, later in pairwise(own))
    assert [json.loads(line)["key"] for line in lines] == rows
    assert values == len(rows) * len(reading(0).values)
