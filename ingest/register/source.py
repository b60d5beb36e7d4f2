"""Files as bytes: size, encoding and format, before anything is read into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.kernel.registration import Problem

MOST_BYTES = 64 * 1024 * 1024
"""Larger files are refused unread; 100,000 devices are about 20 MB."""

_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file's text."""

    name: str
    suffix: str  # "toml" or "csv"
    stem: str
    text: str


def read(path: Path) -> Source | Problem:
    """Read a file, or say why it can't be."""
    name = str(path)
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in {"toml", "csv"}:
        return Problem(
            file=name, line=0, what="is neither TOML nor CSV by its name",
            allowed="a name that ends in .toml or .csv",
        )  # fmt: skip
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            return Problem(
                file=name, line=0, what=f"is {size / 1e6:.0f} MB large",
                allowed=f"at most {MOST_BYTES / 1e6:.0f} MB: split it and load the parts together",
            )  # fmt: skip
        raw = path.read_bytes()
    except OSError as error:
        what = f"can not be read: {(error.strerror or type(error).__name__).lower()}"
        return Problem(file=name, line=0, what=what, allowed="a file that exists and is readable")
    return _text(raw, name=name, suffix=suffix, stem=path.stem)


def _text(raw: bytes, *, name: str, suffix: str, stem: str) -> Source | Problem:
    if raw.startswith(_OTHER_ENCODINGS):
        return Problem(file=name, line=1, what="is UTF-16, not UTF-8", allowed="save it as UTF-8")
    raw = raw.removeprefix(_BOM)
    nul = raw.find(b"\0")
    if nul >= 0:
        return Problem(
            file=name, line=_line(raw, nul), what="holds a NUL byte: this is no text file",
            allowed="text in UTF-8",
        )  # fmt: skip
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = raw[error.start]
        return Problem(
            file=name, line=_line(raw, error.start), what=f"byte 0x{bad:02x} is not UTF-8",
            allowed="save it as UTF-8",
        )  # fmt: skip
    if not text.strip():
        return Problem(file=name, line=1, what="is empty", allowed="at least one entry to register")
    return Source(name=name, suffix=suffix, stem=stem, text=text)


def _line(raw: bytes, position: int) -> int:
    return raw.count(b"\n", 0, position) + 1
