"""A message in words: a template per language and form, told as little as will serve"""

from __future__ import annotations

import tomllib
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from alerts.delivery.ports import Message, Text

FOLDER = Path(__file__).parent / "templates"
DEFAULT_LANGUAGE = "en"
WAITING, DELAYED, HELP, TEST = "waiting", "delayed", "help", "test"
"""What templates can say: an alert waits; it waits and is told late; a contact is asked to help;
nothing waits, and this is only to see whether messages arrive."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=False,  # noqa: S701 - plain text, and nothing that people write goes into it
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def languages() -> frozenset[str]:
    """Return the languages there are templates for."""
    return frozenset(p.name for p in FOLDER.iterdir() if p.is_dir())


def render(message: Message, form: str) -> Text:
    """Put a message into words, in English where there is no template in its language.

    Templates are given these words and nothing else of the message: whatever a template says, it
    can't say who it is about.
    """
    language = _language(message.language)
    words = _words(language)
    said = _TEMPLATES.get_template(f"{language}/{form}.txt").render(
        template=message.template,
        severity=words["severity"][message.severity.value],
        kind=words["class"].get(message.alert_class, words["class"]["other"]),
        since=_when(message.since, now=message.now, zone=message.zone),
        link=message.link,
    )
    head, _, body = said.partition("\n\n")
    if head.startswith("Subject: ") and body:
        return Text(head.removeprefix("Subject: ").strip(), body.strip())
    return Text("", said.strip())


def _language(asked: str) -> str:
    """Return a language there are templates for: "cy-GB" is answered in "cy"."""
    short = asked.partition("-")[0].lower()
    return short if short in languages() else DEFAULT_LANGUAGE


@cache
def _words(language: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / language / "words.toml").read_text(encoding="utf-8"))


def _when(at: datetime, *, now: datetime, zone: tzinfo) -> str:
    """Return a time of day, with the date where it isn't today's; in figures, for any language."""
    local = at.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M}" if today else f"{local:%d/%m %H:%M}"
