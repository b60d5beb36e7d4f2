"""A trigger of one person's care plan, read: the same language as the packs', checked alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alerts import model
from alerts.rules import contradictions, language, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When this one person needs urgent care, as a clinician wrote it down."""

    id: str
    title: str
    severity: model.Severity
    when: language.Node
    clear: language.Node
    text: str
    wait_s: float = 0.0


def read(said: Mapping[str, Any]) -> Trigger:
    """Read a trigger as the register keeps it.

    Raises
    ------
    LanguageError
        When it can't be judged, with the reason in words.
    """
    when = language.parse(_text(said, "when"))
    clear_text = said.get("clear")
    clear = language.parse(_text(said, "clear")) if clear_text else language.negated(when)
    for node in (when, clear):
        problem = pack.misfit(node, "person")
        if problem:
            raise language.LanguageError(problem)
    lasting = said.get("for")
    try:
        severity = model.Severity(_text(said, "severity"))
    except ValueError:
        raise language.LanguageError(f"'{said.get('severity')}' is no severity") from None
    return Trigger(
        id=_text(said, "id"),
        title=_text(said, "title"),
        severity=severity,
        when=when,
        clear=clear,
        text=_text(said, "when"),
        wait_s=language.duration(str(lasting)) if lasting else 0.0,
    )


def problem(said: Mapping[str, Any]) -> str | None:
    """Say why a trigger can't be judged, None where it can."""
    try:
        trigger = read(said)
    except language.LanguageError as error:
        return error.problem
    found = contradictions.of_level(trigger.when, trigger.clear)
    return found.text if found else None


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value.strip():
        raise language.LanguageError(f"'{key}' must be a text")
    return value
