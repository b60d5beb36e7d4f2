"""The line of every key of a TOML document, which the standard library's reader doesn't tell.

Reads only documents that `tomllib` has accepted, so it need not refuse anything; it walks the
same grammar and notes lines. (The packages that tell positions are not kept up any more.)
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import Any

from ingest.register.record import OWN

Lines = dict[str, Any]
"""The document's shape: tables are dicts, arrays lists, other values their line number."""

_GAP = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_BLANK = re.compile(r"[ \t]*+")
_KEY = re.compile(r"""[A-Za-z0-9_-]++|"(?:[^"\\]|\\.)*+"|'[^']*+'""")
_SCALAR = re.compile(
    r'''"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'''
    r"""|'''(?:[^']|'{1,2}(?!'))*'{3,5}"""
    r"""|"(?:[^"\\]|\\.)*+"|'[^'\n]*+'|[^,\]}#\n]++"""
)


def lines(text: str) -> Lines:
    """Return the lines of a valid document, in the shape of its values."""
    return _Walk(text).document()


class _Walk:
    """One pass over the text; ``pos`` only moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self._ends = [m.start() for m in re.finditer("\n", text)]

    def document(self) -> Lines:
        root: Lines = {OWN: 1}
        table = root
        while self._skip(_GAP) < len(self.text):
            if self.text[self.pos] == "[":
                table = self._header(root)
            else:
                self._pair(table)
        return root

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.pos)
        self.pos = found.end() if found else self.pos
        return self.pos

    def _line(self) -> int:
        return bisect_left(self._ends, self.pos) + 1

    def _path(self) -> list[str]:
        """Read a key, dotted or not."""
        path: list[str] = []
        while True:
            self._skip(_BLANK)
            start = self.pos
            raw = self.text[start : self._skip(_KEY)]
            path.append(_plain(raw) if raw[:1] in {'"', "'"} else raw)
            self._skip(_BLANK)
            if self.text[self.pos : self.pos + 1] != ".":
                return path
            self.pos += 1

    def _header(self, root: Lines) -> Lines:
        line = self._line()
        many = self.text.startswith("[[", self.pos)
        self.pos += 2 if many else 1
        *way, last = self._path()
        self.pos += 2 if many else 1
        parent = _descend(root, way, line)
        if many:
            table: Lines = {OWN: line}
            parent.setdefault(last, []).append(table)
            return table
        table = _descend(parent, [last], line)
        table[OWN] = line
        return table

    def _pair(self, table: Lines) -> None:
        line = self._line()
        *way, last = self._path()
        self.pos += 1  # the equals sign
        self._skip(_BLANK)
        _descend(table, way, line)[last] = self._value(line)

    def _value(self, line: int) -> Any:
        opening = self.text[self.pos]
        if opening == "[":
            return self._array() or line  # an empty one has nothing else to tell its line
        if opening == "{":
            return self._inline(line)
        self._skip(_SCALAR)
        return line

    def _array(self) -> list[Any]:
        items: list[Any] = []
        self.pos += 1
        while True:
            self._skip(_GAP)
            if self.text[self.pos] == "]":
                self.pos += 1
                return items
            items.append(self._value(self._line()))
            self._skip(_GAP)
            if self.text[self.pos] == ",":
                self.pos += 1

    def _inline(self, line: int) -> Lines:
        table: Lines = {OWN: line}
        self.pos += 1
        while True:
            self._skip(_GAP)
            if self.text[self.pos] == "}":
                self.pos += 1
                return table
            self._pair(table)
            self._skip(_GAP)
            if self.text[self.pos] == ",":
                self.pos += 1


def _descend(table: Lines, way: list[str], line: int) -> Lines:
    """Follow keys to a table, making what isn't there; an array of tables means its last."""
    for key in way:
        inner = table.setdefault(key, {OWN: line})
        table = inner[-1] if isinstance(inner, list) else inner
    return table


def _plain(quoted: str) -> str:
    """Return a quoted key without its quotes and escapes."""
    return next(iter(tomllib.loads(f"{quoted}=0")))
