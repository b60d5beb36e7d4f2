"""The channel for development: messages are written where the role writes its log."""

from __future__ import annotations

from collections.abc import Callable

from alerts.delivery.ports import Failed, Message, Render, Sent


class Console:
    """Writes the words of a message, as a telephone would show them."""

    name = "console"

    def __init__(self, *, render: Render, write: Callable[[str], object]) -> None:
        self._render = render
        self._write = write

    def send(self, message: Message) -> Sent | Failed:
        """Write it."""
        self._write(f"[{message.key}] {self._render(message, 'sms').body}")
        return Sent(proof=True)
