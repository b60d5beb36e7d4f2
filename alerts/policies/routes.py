"""The routing tree: what its file must hold, checked, and the route that fits an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from alerts import model
from alerts.policies import files
from alerts.rules import document

FILE: Final = "routing.toml"
RESPONSES: Final = ("emergency", "urgent", "soon", "information", "equipment", "hub")
"""Responses that a route may name."""
ROLES: Final = ("virtual_ward", "key_worker", "community_matron", "specialist")
"""Why somebody has a person on their caseload; who is asked first stands first."""
PLACES_OF_CARE: Final = ("home", "care_home", "hospice", "hospital")
"""Where a person near the end of life wishes to be cared for."""
BANDS: Final = ("green", "amber", "red")
_WORDS: Final = ("kind", "site", "caseload", "any")
_KINDS: Final = tuple(k.value for k in model.TeamKind)
_ANYWHERE: Final = " anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What routes look at in an alert. Empty texts and None: not known."""

    alert_class: str
    severity: str
    source: str
    kind: str
    rule: str
    area: str = ""
    council_area: str = ""
    practice: str = ""
    cluster: str = ""
    site: str = ""
    risk_band: str = ""
    virtual_ward: bool = False
    caseload: frozenset[str] = frozenset()  # roles
    place_of_care: str = ""
    open: bool = True  # whether a team of the rule's own kind serves the place and is open


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One entry of ``to``."""

    word: str  # "kind", "site", "caseload", "any" or a kind of team
    anywhere: bool = False  # where none of the kind serves the place, one of elsewhere

    def __str__(self) -> str:
        return self.word + (_ANYWHERE if self.anywhere else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A node of the tree with what it says and what it has from above."""

    id: str
    to: tuple[Candidate, ...]
    response: str
    note: str
    source: str
    when: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    below: tuple[Route, ...] = ()

    def fits(self, traits: Traits) -> bool:
        """Tell whether all that ``when`` asks for holds."""
        return all(_FITS[key](traits, wanted) for key, wanted in self.when.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All routes, versioned and approved together."""

    id: str
    version: str
    title: str
    approver: str
    review_by: date
    source: str
    root: Route
    asks_open: bool = False  # whether some route looks at the hour

    def find(self, traits: Traits) -> Route:
        """Return the route of an alert; there is always one."""
        found = self.root
        while True:
            deeper = next((r for r in found.below if r.fits(traits)), None)
            if deeper is None:
                return found
            found = deeper

    def routes(self) -> list[Route]:
        """Return every route, each before those below it."""
        out, left = [], [self.root]
        while left:
            one = left.pop()
            out.append(one)
            left.extend(reversed(one.below))
        return out


def _any_of(name: str) -> Any:
    return lambda traits, wanted: getattr(traits, name) in wanted


_FITS: Final[Mapping[str, Any]] = {
    "class": _any_of("alert_class"),
    "severity": _any_of("severity"),
    "source": _any_of("source"),
    "kind": _any_of("kind"),
    "rule": lambda t, wanted: any(fnmatchcase(t.rule, w) for w in wanted),
    "area": lambda t, wanted: t.area in wanted or t.council_area in wanted,
    "practice": _any_of("practice"),
    "cluster": _any_of("cluster"),
    "site": _any_of("site"),
    "risk_band": _any_of("risk_band"),
    "virtual_ward": lambda t, wanted: t.virtual_ward is wanted,
    "caseload": lambda t, wanted: not t.caseload.isdisjoint(wanted),
    "place_of_care": _any_of("place_of_care"),
    "open": lambda t, wanted: t.open is wanted,
}
_CLOSED_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "class": tuple(c.value for c in model.AlertClass),
    "severity": tuple(s.value for s in model.Severity),
    "source": tuple(s.value for s in model.Source),
    "kind": _KINDS,
    "risk_band": BANDS,
    "caseload": ROLES,
    "place_of_care": PLACES_OF_CARE,
}
_FLAGS: Final = ("virtual_ward", "open")


def load(folder: Path | None = None) -> Tree:
    """Read the tree of a folder, the shipped one where it has none.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    text, path = files.read(FILE, folder)
    return parse(text, file=path)


def parse(text: str, *, file: str) -> Tree:
    """Read a tree out of text.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    top = document.parse(text, file=file)
    review_by = top.day("review_by")
    routes: dict[str, Route] = {}
    parents: dict[str, str] = {}
    for node in top.children("route"):
        route, under = _route(node, routes)
        node.done()
        routes[route.id] = route
        parents[route.id] = under
    about = {key: top.text(key) for key in ("id", "version", "title", "approver", "source")}
    top.done()
    if not routes:
        raise top.error(None, "at least one [[route]] is needed")
    return Tree(
        **about,
        review_by=review_by,
        root=_grown(routes, parents),
        asks_open=any("open" in r.when for r in routes.values()),
    )


def _route(node: document.Node, before: Mapping[str, Route]) -> tuple[Route, str]:
    """Return a route with what it has from above, and the id of the one above."""
    own = node.text("id")
    if own in before:
        raise node.error("id", f"'{own}' is there twice")
    if node.has("under"):
        under = node.text("under")
        if under not in before:
            raise node.error("under", f"there is no route '{under}' before this one")
        above: Route | None = before[under]
    else:
        under, above = "", None
        if before:
            raise node.error(None, "'under' is missing: only the first route stands above all")
    return Route(
        id=own,
        to=_to(node) if node.has("to") or above is None else above.to,
        response=node.choice("response", RESPONSES)
        if node.has("response") or above is None
        else above.response,
        note=node.text("note") if node.has("note") else above.note if above else "",
        source=node.text("source"),
        when=_when(node, first=above is None),
        path=(*(above.path if above else ()), own),
    ), under


def _to(node: document.Node) -> tuple[Candidate, ...]:
    found = []
    for text in node.texts("to"):
        word = text.removesuffix(_ANYWHERE)
        one = Candidate(word=word, anywhere=text.endswith(_ANYWHERE))
        if word not in (*_WORDS, *_KINDS) or (one.anywhere and word in ("site", "caseload", "any")):
            allowed = ", ".join((*_WORDS, *_KINDS))
            raise node.error("to", f"'{text}' is nobody; allowed are {allowed}, kinds also with"
                             f" '{_ANYWHERE.strip()}'")  # fmt: skip
        if one in found:
            raise node.error("to", f"'{text}' is there twice")
        found.append(one)
    if not found:
        raise node.error("to" if node.has("to") else None, "'to' names nobody")
    return tuple(found)


def _when(node: document.Node, *, first: bool) -> dict[str, Any]:
    if not node.has("when"):
        if not first:
            raise node.error(None, "'when' is missing: what stands below would never be reached")
        return {}
    if first:
        raise node.error("when", "the first route takes everything: it has no 'when'")
    table = node.raw("when")
    if not isinstance(table, dict) or not table:
        raise node.error("when", "'when' must be a table such as { class = [\"clinical\"] }")
    inner = node.inside("when", table)
    found: dict[str, Any] = {}
    for key in table:
        if key not in _FITS:
            raise node.error("when", f"'{key}' is nothing to look at; known are {', '.join(_FITS)}")
        found[key] = inner.flag(key) if key in _FLAGS else _words(inner, key)
    return found


def _words(node: document.Node, key: str) -> frozenset[str]:
    words = node.texts(key)
    if not words:
        raise node.error(key, f"'{key}' is empty: it would never fit")
    for word in words:
        allowed = _CLOSED_LISTS.get(key)
        if allowed is not None and word not in allowed:
            raise node.error(key, f"'{word}' is no {key}; allowed are {', '.join(allowed)}")
    return frozenset(words)


def _grown(routes: Mapping[str, Route], parents: Mapping[str, str]) -> Route:
    """Hang every route below its parent; parents stand before their children."""
    grown = dict(routes)
    for own in reversed(list(routes)):
        below = tuple(grown[r] for r in routes if parents[r] == own)
        grown[own] = replace(routes[own], below=below)
    return grown[next(iter(routes))]
