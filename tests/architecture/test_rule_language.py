"""The page on rules lists what conditions can speak of."""

from __future__ import annotations

from pathlib import Path

from alerts.rules import vocabulary

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-rule.md"


def test_the_page_lists_every_signal_with_what_it_takes_and_means():
    text = PAGE.read_text(encoding="utf-8")
    for name, spec in vocabulary.SIGNALS.items():
        call = "a quantity's name" if name == "value" else f"`{name}({', '.join(spec.takes)})`"
        assert f"| {call} | {', '.join(spec.of)} |" in text
        assert f"| {spec.meaning} |" in text


def test_the_page_lists_everything_that_is_counted():
    text = PAGE.read_text(encoding="utf-8")
    for name, said in vocabulary.COUNTERS.items():
        assert f"| `{name}` | {said} |" in text
