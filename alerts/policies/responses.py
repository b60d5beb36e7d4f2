"""The responses that are in force: read from their file, checked, found by name or severity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alerts import escalation
from alerts.model import AlertClass, Severity
from alerts.policies import files
from alerts.rules import document
from alerts.rules.document import Node

FILE = "responses.toml"
_TELLS = tuple(t.value for t in escalation.Tell)
_OWN: Mapping[AlertClass, str] = {AlertClass.EQUIPMENT: "equipment", AlertClass.HUB: "hub"}
"""Classes with a response of their own, whatever the severity."""


@dataclass(frozen=True, slots=True)
class Responses:
    """All responses by id."""

    version: str
    by_id: Mapping[str, escalation.Response]
    by_severity: Mapping[Severity, escalation.Response]

    def choose(self, name: str, severity: Severity, alert_class: AlertClass) -> escalation.Response:
        """Return the response of a name; else that of the class, else of the severity.

        An emergency is answered as one, whatever was asked for, but for one of the hub itself.
        """
        if severity is Severity.EMERGENCY and alert_class is not AlertClass.HUB:
            return self.by_severity[severity]
        named = self.by_id.get(name) or self.by_id.get(_OWN.get(alert_class, ""))
        return named or self.by_severity[severity]


def parse(text: str, *, file: str) -> Responses:
    """Read responses, or say in which line they are wrong.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    top = document.parse(text, file=file)
    for key in ("id", "approver"):
        top.text(key)
    top.day("review_by")
    version = top.text("version")
    by_id: dict[str, escalation.Response] = {}
    by_severity: dict[Severity, escalation.Response] = {}
    steps = _steps(top)
    for n, node in enumerate(top.children("response")):
        node.raw("step")
        severity = node.severity("severity") if node.has("severity") else None
        node.text("source")
        one = escalation.Response(
            id=node.text("id"), version=version, title=node.text("title"), steps=steps[n],
            acknowledged_s=_length(node, "acknowledged_for"),
            in_progress_s=_length(node, "in_progress_for"),
            on_scene_s=_length(node, "on_scene_for"), offer_s=_length(node, "offered_for"),
            snooze_most_s=node.duration("snooze_most") or 0.0,
            stale_s=node.duration("stale_after"),
        )  # fmt: skip
        node.done()
        wrong = escalation.problem(one)
        if severity is Severity.EMERGENCY and (one.snooze_most_s or one.stale_s is not None):
            wrong = "an emergency is never put off and never too late to page"
        if one.id in by_id:
            wrong = f"'{one.id}' is there twice"
        if severity in by_severity:
            wrong = f"'{severity}' has two responses"
        if wrong:
            raise node.error(None, wrong)
        by_id[one.id] = one
        if severity is not None:
            by_severity[severity] = one
    top.done()
    missing = [str(s) for s in Severity if s not in by_severity]
    if missing:
        raise top.error(None, f"no response for {', '.join(missing)}")
    return Responses(version, by_id, by_severity)


def _steps(top: Node) -> list[tuple[escalation.ChainStep, ...]]:
    """Return the steps of each response; their lines are counted over the whole file."""
    out: list[tuple[escalation.ChainStep, ...]] = []
    seen = 0
    raw = top.raw("response", required=False)
    for one in raw if isinstance(raw, list) else []:
        made: list[escalation.ChainStep] = []
        listed = one.get("step") if isinstance(one, dict) else None
        for item in listed if isinstance(listed, list) else []:
            node = top.nested("response.step", item, seen)
            seen += 1
            made.append(
                escalation.ChainStep(
                    tell=escalation.Tell(node.choice("tell", _TELLS)),
                    after_s=_length(node, "after"),
                    channels=node.texts("channels"),
                    repeat_s=node.duration("repeat"),
                    times=None if (times := node.maybe("times")) is None else int(times),
                )
            )
            node.done()
        out.append(tuple(made))
    return out


def _length(node: Node, key: str) -> float:
    found = node.duration(key)
    if found is None:
        raise node.error(None, f"'{key}' is missing")
    return found


@cache
def load(folder: Path | None = None) -> Responses:
    """Read the responses of a folder, the shipped ones where it has none.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    text, path = files.read(FILE, folder)
    return parse(text, file=path)
