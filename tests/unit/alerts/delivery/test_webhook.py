"""What a webhook's receiver is given, as the page for them says."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from alerts.delivery import rendering, webhook
from tests.unit.alerts.delivery.messages import NHS_NUMBER, message

PAGE = (Path(__file__).parents[4] / "docs/howto/notify.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_check_on_the_page_takes_our_signature_and_no_other() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    genuine, now = names["genuine"], int(time.time())
    header = webhook.sign(b'{"a": 1}', key_id="k", secret="s", at=now)
    assert genuine(header, b'{"a": 1}', {"k": "s"})
    assert not genuine(header, b'{"a": 2}', {"k": "s"})
    assert not genuine(header, b'{"a": 1}', {"k": "other"})
    assert not genuine(header.replace(str(now), str(now + 1)), b'{"a": 1}', {"k": "s"})
    old = webhook.sign(b'{"a": 1}', key_id="k", secret="s", at=now - 600)
    assert not genuine(old, b'{"a": 1}', {"k": "s"})


def test_the_body_is_the_one_on_the_page() -> None:
    text = rendering.render(message(), "sms").body
    assert webhook.notice(message(), text) == json.loads(block("json"))


def test_a_communication_without_a_person_has_no_subject() -> None:
    """A home's smoke alarm: there is nobody whose number could be given."""
    with_one = webhook.communication(message(), "text")
    assert with_one["subject"]["identifier"]["value"] == NHS_NUMBER
    without = webhook.communication(message(nhs_number=None), "text")
    assert without == {k: v for k, v in with_one.items() if k != "subject"}
