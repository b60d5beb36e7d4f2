"""An entry as it was written: untyped values, and the line of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.kernel import registration

OWN = ""
"""In a table of lines: the line of the table itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of a file.

    ``lines`` has the shape of ``values`` with line numbers for leaves, and the line of each
    table under `OWN`. It may be less complete than the values: a missing line is the entry's.
    """

    kind: registration.Kind
    file: str
    line: int
    values: Mapping[str, Any]
    lines: Mapping[str, Any]

    def line_of(self, *path: str | int) -> int:
        """Return the line of what a path leads to, or of the nearest thing around it."""
        best = self.line
        node: Any = self.lines
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):  # less complete than the values
                break
            if isinstance(node, int):
                return node
            if isinstance(node, dict):
                best = node.get(OWN, best)
        return best

    def origin(self) -> registration.Origin:
        """Return where the entry is, for problems found later."""
        return registration.Origin(file=self.file, line=self.line, keys=self.lines)
