"""The packs that are in force: the shipped ones, or those of a folder of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alerts import errors
from alerts.rules import pack

SHIPPED = Path(__file__).parent / "packs"
R = TypeVar("R", bound=pack.Rule)


@dataclass(frozen=True, slots=True)
class Registry:
    """All packs by id, and their rules by id."""

    packs: dict[str, pack.Pack]
    rules: dict[str, pack.Rule]

    def of(self, kind: type[R]) -> tuple[R, ...]:
        """Return the rules of one kind, in the order of the packs."""
        return tuple(r for r in self.rules.values() if isinstance(r, kind))


def load(folder: Path | None = None) -> Registry:
    """Read every pack of a folder, the shipped ones where none is given.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    packs: dict[str, pack.Pack] = {}
    rules: dict[str, pack.Rule] = {}
    for path in sorted((folder or SHIPPED).glob("*.toml")):
        one = pack.parse(path.read_text(encoding="utf-8"), file=str(path))
        if one.id in packs:
            raise errors.PackError(file=path, line=1, problem=f"pack '{one.id}' is there twice")
        for rule in one.rules:
            if rule.id in rules:
                raise errors.PackError(
                    file=path, line=1, problem=f"rule '{rule.id}' is in another pack already"
                )
            rules[rule.id] = rule
        packs[one.id] = one
    if not packs:
        raise errors.PackError(file=folder or SHIPPED, line=0, problem="there is no pack here")
    return Registry(packs, rules)
