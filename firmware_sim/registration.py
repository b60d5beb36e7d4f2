"""Registration files for simulated homes, and the credentials in them."""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

_MODULUS = 11
_NEVER_ISSUED = 10
_PER_PREFIX = 9
_TEST_NUMBERS = 100_000 * _PER_PREFIX


def nhs_number(index: int) -> str:
    """Return the ``index``-th valid number of the range 999, which is kept for tests.

    Of the ten numbers that share their first eight digits at most one would need the check digit
    10, which is never issued, so nine of them serve.
    """
    if not 0 <= index < _TEST_NUMBERS:
        raise ValueError(f"there are {_TEST_NUMBERS} test numbers")
    prefix, place = divmod(index, _PER_PREFIX)
    sound = [n for d in range(10) if check_digit(n := f"999{prefix:05d}{d}") != _NEVER_ISSUED]
    return f"{sound[place]}{check_digit(sound[place])}"


def check_digit(nine: str) -> int:
    """Weights 10 to 2, 11 minus the sum modulo 11, 11 is 0 (NHS Data Dictionary, NHS NUMBER)."""
    total = sum(int(d) * w for d, w in zip(nine, range(10, 1, -1), strict=True))
    return (_MODULUS - total % _MODULUS) % _MODULUS


def credentials(path: Path) -> dict[str, str]:
    """Read device passwords, keyed by ``site/device``, from JSON or from a registration file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return {str(key): str(value) for key, value in json.loads(text).items()}
    devices = tomllib.loads(text).get("devices", ())
    return {f"{d['site']}/{d['id']}": d["password"] for d in devices if "password" in d}


def write(
    path: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]], *, title: str, passwords: bool
) -> None:
    """Write a registration file, giving each device a password unless the old file had one.

    The file holds secrets: it is readable by its owner only.
    """
    if path.suffix != ".toml":
        raise ValueError(f"{path.name}: homes, people and devices in one file need a name in .toml")
    known = credentials(path) if passwords and path.exists() else {}
    finished: dict[str, list[dict[str, Any]]] = {}
    for table, rows in tables.items():
        finished[table] = [{k: v for k, v in row.items() if k != "play"} for row in rows]
    if passwords:
        for device in finished.get("devices", ()):
            key = f"{device['site']}/{device['id']}"
            device["password"] = known.get(key) or secrets.token_urlsafe(18)
    path.touch(mode=0o600)
    path.write_text(f"# {title}\n\n" + toml(finished), encoding="utf-8")


def toml(tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """Return tables of rows as TOML; a list of tables inside a row becomes a sub-table array."""
    lines: list[str] = []
    for table, rows in tables.items():
        for row in rows:
            lines += _row(table, row)
    return "\n".join(lines)


def _row(table: str, row: Mapping[str, Any]) -> list[str]:
    lines = [f"[[{table}]]"]
    nested: list[tuple[str, Any]] = []
    for key, value in row.items():
        if _is_tables(value):
            nested += [(key, item) for item in value]
        else:
            lines.append(f"{key} = {_value(value)}")
    lines.append("")
    for key, item in nested:
        lines += _row(f"{table}.{key}", item)
    return lines


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(_value(v) for v in value) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
