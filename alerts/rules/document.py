"""A TOML document read typed, in which what is wrong is told with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from alerts import errors, model
from alerts.rules import language
from ingest.kernel import vitals


def parse(text: str, *, file: str) -> Node:
    """Return the outermost table of a document.

    Raises
    ------
    PackError
        It is no TOML, with file and line.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else len(text.splitlines())
        raise errors.PackError(file=file, line=line, problem=str(error)) from error
    return Node(Document(text, file), table, "")


class Node:
    """A TOML table that knows where it stands, refuses what it doesn't know, and reads typed."""

    def __init__(self, doc: Document, table: Mapping[str, Any], header: str, nth: int = 0) -> None:
        self._doc, self._table, self._header, self._nth = doc, table, header, nth
        self._seen: set[str] = set()

    def error(self, key: str | None, problem: str) -> errors.PackError:
        """Return an error that names the line of a key, or of the table itself."""
        line = self._doc.line(self._header, self._nth, key)
        return errors.PackError(file=self._doc.file, line=line, problem=problem)

    def raw(self, key: str, *, required: bool = True) -> Any:
        """Return a value as it is; the key counts as known from now on."""
        self._seen.add(key)
        if key not in self._table and required:
            raise self.error(None, f"'{key}' is missing")
        return self._table.get(key)

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._table

    def names(self) -> list[str]:
        """Return all keys."""
        return list(self._table)

    def text(self, key: str, *, empty: bool = False) -> str:
        """Return a text that says something."""
        value = self.raw(key)
        if not isinstance(value, str) or not (value.strip() or empty):
            raise self.error(key, f"'{key}' must be a text")
        return value

    def number(self, key: str) -> float:
        """Return a number."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"'{key}' must be a number")
        return float(value)

    def maybe(self, key: str) -> float | None:
        """Return a number, None where there is none."""
        self._seen.add(key)
        return self.number(key) if key in self._table else None

    def day(self, key: str) -> date:
        """Return a date."""
        value = self.raw(key)
        if not isinstance(value, date):
            raise self.error(key, f"'{key}' must be a date")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return one of the words that are allowed."""
        value = self.text(key)
        if value not in allowed:
            raise self.error(key, f"'{key}' is '{value}', must be one of {', '.join(allowed)}")
        return value

    def severity(self, key: str) -> model.Severity:
        """Return a severity."""
        return model.Severity(self.choice(key, tuple(s.value for s in model.Severity)))

    def quantity(self, key: str) -> vitals.Quantity:
        """Return a quantity of the nomenclature."""
        name = self.text(key)
        if name not in vitals.BY_NAME:
            raise self.error(key, f"'{name}' is no quantity of the nomenclature")
        return vitals.BY_NAME[name]

    def child(self, key: str) -> Node:
        """Return a table inside this one."""
        value = self.raw(key)
        if not isinstance(value, dict):
            raise self.error(key, f"'{key}' must be a table")
        header = key if not self._header else f"{self._header}.{key}"
        return Node(self._doc, value, header)

    def children(self, key: str) -> Iterator[Node]:
        """Return a list of tables inside this one."""
        value = self.raw(key, required=False) or []
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.error(key, f"'{key}' must be a list of tables, [[{key}]]")
        for n, table in enumerate(value):
            yield Node(self._doc, table, key, n)

    def inside(self, key: str, table: Mapping[str, Any]) -> Node:
        """Return a table that is written on the line of ``key``, with that line for errors."""
        return _Line(self, key, table)

    def nested(self, header: str, table: Mapping[str, Any], nth: int) -> Node:
        """Return a table under a header of its own, the nth of its kind in the document."""
        return Node(self._doc, table, header, nth)

    def duration(self, key: str) -> float | None:
        """Return a length of time, None where there is none. [s]"""
        self._seen.add(key)
        if key not in self._table:
            return None
        try:
            return language.duration(self.text(key))
        except language.LanguageError as error:
            raise self.error(key, error.problem) from None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where there is none."""
        value = self.raw(key, required=False)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(key, f"'{key}' must be a list of texts")
        return tuple(value)

    def flag(self, key: str) -> bool | None:
        """Return yes or no, None where nothing is said."""
        value = self.raw(key, required=False)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, f"'{key}' must be true or false")
        return value

    def condition(self, key: str) -> tuple[language.Node, str]:
        """Return a condition and its text."""
        text = self.text(key)
        try:
            return language.parse(text), text
        except language.LanguageError as error:
            place = f" (at character {error.column})" if error.column else ""
            raise self.error(key, f"'{key}'{place}: {error.problem}") from None

    def done(self) -> None:
        """Refuse keys that nobody asked for: a misspelt limit must not become no limit."""
        for key in self._table:
            if key not in self._seen:
                known = ", ".join(sorted(self._seen))
                raise self.error(key, f"'{key}' is not known here; known are {known}")


class _Line(Node):
    """A table inside one line of another: what is wrong in it is wrong on that line."""

    def __init__(self, parent: Node, key: str, table: Mapping[str, Any]) -> None:
        super().__init__(parent._doc, table, parent._header, parent._nth)
        self._key = key

    def error(self, key: str | None, problem: str) -> errors.PackError:
        """Return an error that names the line it stands in."""
        return super().error(self._key, problem)


class Document:
    """The text of a document, for finding the line of a key."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._lines = text.splitlines()

    def line(self, header: str, nth: int, key: str | None) -> int:
        """Return the line of a key, or of its table."""
        start = self._start(header, nth)
        if key is None:
            return max(start, 1)
        pattern = re.compile(rf'\s*"?{re.escape(key)}"?\s*=|\s*\[+\s*.*\b{re.escape(key)}\s*\]')
        for n in range(start, len(self._lines)):
            if pattern.match(self._lines[n]):
                return n + 1
            if n > start and header and self._lines[n].lstrip().startswith("["):
                break
        return max(start, 1)

    def _start(self, header: str, nth: int) -> int:
        if not header:
            return 0
        wanted = {f"[{header}]", f"[[{header}]]"}
        found = 0
        for n, text in enumerate(self._lines, start=1):
            if text.split("#")[0].strip() in wanted:
                if found == nth:
                    return n
                found += 1
        return 0
