"""README.md keeps what it promises: its examples run, and print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import readme

ROOT = readme.README.parent
installed = pytest.mark.skipif(
    not readme.INSTALLED, reason="the command mbusbench is not in this environment: pip install -e ."
)


@installed
@pytest.mark.parametrize("block", readme.blocks("console"), ids=lambda block: block.split()[2])
def test_console_block_prints_what_it_shows(block: str, tmp_path: Path) -> None:
    for (command, promised), printed in zip(readme.commands(block), readme.run_console(block, tmp_path), strict=True):
        assert readme.fits(promised, printed), "\n".join([command, *printed])


@installed
def test_python_block_prints_what_it_shows(tmp_path: Path) -> None:
    printed = readme.run_python(readme.blocks("python")[0], tmp_path)
    assert readme.fits(readme.blocks("text")[0].splitlines(), printed), "\n".join(printed)


def test_other_output_does_not_fit() -> None:
    promised = ["address 99: KAM 80450799", "...", "Energy   168040   kWh"]
    assert readme.fits(promised, ["address 98: KAM 12345678", "Volume 1 m³", "Energy 1 kWh"])
    assert not readme.fits(promised, ["address 98: KAM 12345678", "Energy 1 MJ"])
    assert not readme.fits(promised, ["address 98: KAM 12345678"])


def test_exactly_two_commands_stand_near_the_top() -> None:
    assert len(readme.blocks("sh")) == 2
    assert all(block.count("\n") == 1 for block in readme.blocks("sh"))
    assert readme.README.read_text().splitlines().index("## A bus, and a master that reads it") < 25


def test_readme_stays_short() -> None:
    assert len(readme.README.read_text().splitlines()) < 120


def test_links_of_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme.README.read_text())
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
