"""Which packs are judged: the shipped ones, those of a folder, some of them, or changed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from alerts import errors
from alerts.rules import pack, registry
from alerts.rules.registry import Registry


def choose(named: Sequence[str], folder: Path | None) -> Registry:
    """Return the packs of a folder (the shipped ones where none is given), or some of them.

    A name is a pack's id, or a pack file of one's own that stands in for the pack of its id.
    Default limits of packs that aren't chosen stay: rules of others ask for them.

    Raises
    ------
    BacktestError
        When there is no such pack.
    PackError
        At the first thing that is wrong in a pack.
    """
    every = registry.load(folder)
    packs, chosen = dict(every.packs), set[str]()
    for name in named:
        path = Path(name)
        if name not in packs and path.suffix == ".toml":
            if not path.is_file():
                raise errors.BacktestError(problem=f"--pack {name}: there is no such file")
            own = pack.parse(path.read_text(encoding="utf-8"), file=name)
            packs[own.id] = own
            chosen.add(own.id)
        elif name in packs:
            chosen.add(name)
        else:
            raise errors.BacktestError(
                problem=f"--pack {name}: there is no such pack: name one of"
                f" {', '.join(sorted(packs))}, or a .toml file"
            )
    if not chosen:
        return every
    return _of({
        one.id: one if one.id in chosen else replace(one, rules=()) for one in packs.values()
    })  # fmt: skip


def scaled(rules: Registry, factor: float) -> Registry:
    """Return packs whose two-sided default limits are wider or narrower about their middle.

    A limit with one side only has no width: it is left as it is.
    """
    return _of({
        one.id: replace(one, limits=tuple(_scaled(limit, factor) for limit in one.limits))
        for one in rules.packs.values()
    })  # fmt: skip


def _scaled(limit: pack.Limit, factor: float) -> pack.Limit:
    bands = {name: _about(low, high, factor) for name, (low, high) in limit.bands.items()}
    low, high = _about(limit.low, limit.high, factor)
    return replace(limit, low=low, high=high, bands=bands)


def _about(
    low: float | None, high: float | None, factor: float
) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return low, high
    middle, half = (low + high) / 2, (high - low) / 2
    return middle - factor * half, middle + factor * half


def _of(packs: dict[str, pack.Pack]) -> Registry:
    return Registry(packs, {r.id: r for one in packs.values() for r in one.rules})
