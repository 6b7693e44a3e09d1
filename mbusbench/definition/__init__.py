"""Files that people write: strict YAML with positions, and validation that says what is wrong and where."""

from __future__ import annotations

from mbusbench.definition.document import Document, Mistake, read_document
from mbusbench.definition.validation import Definition, mistake, mistakes

__all__ = ["Definition", "Document", "Mistake", "mistake", "mistakes", "read_document"]
