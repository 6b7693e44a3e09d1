"""The listed differences from the corpus and from other decoders: `differences.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DIFFERENCES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("differences.yaml").read_text("utf-8"))
