"""What delivering needs: a message, what came of it, a channel and a store, as promises."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol, runtime_checkable

from alerts.model import Severity

SMS = "sms"
"""The channel over which a contact without a receiver of their own is told, by telephone number."""
SCREEN = "screen"
"""The queue itself, which needs no receiver: a step that asks for it alone sends nothing."""
PERSONAL = frozenset({"fhir", "letter"})
"""The only channels that are ever given an NHS number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What came of asking for somebody to be told."""

    count: int
    said: str  # who and over what, without anything personal: for the alert's event


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said to one receiver. It has no place for a name, a diagnosis or a reading."""

    key: str  # the idempotency key: the same however often it is tried
    repeated: bool = False  # it was tried before, and may have gone out
    address: str
    language: str
    template: str
    severity: Severity
    alert_class: str
    since: datetime
    zone: tzinfo
    now: datetime
    alert_id: str
    link: str
    nhs_number: str | None = None  # only for the channels in `PERSONAL`, and never in their words


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a message: the subject is empty where the form has none."""

    subject: str
    body: str


Render = Callable[[Message, str], Text]
"""Puts a message into words of a form: ``sms``, ``email`` or ``letter``."""


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken; with ``proof`` by the receiver itself, and not just by somebody on the way."""

    ref: str | None = None  # what the provider calls it
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """It was not taken; ``permanent``: trying the same again can't help."""

    permanent: bool
    reason: str  # kept and logged: never an address
    retry_after_s: float | None = None


class Channel(Protocol):
    """A way to reach somebody. Used by several threads at once."""

    @property
    def name(self) -> str:
        """Return what receivers call it."""
        ...

    def send(self, message: Message) -> Sent | Failed:
        """Send within seconds or give up; the same key may come again after a crash."""
        ...


@runtime_checkable
class Confirming(Protocol):
    """A channel whose provider can be asked later what became of a message."""

    def confirm(self, ref: str) -> Sent | Failed | None:
        """Return what became of it, None while that isn't known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery that was taken to be sent now."""

    no: int
    key: str
    attempt: int  # this one; also the fence: only the last to take it may record what came of it
    alert_no: int
    channel: str
    receiver_no: int | None
    receiver_kind: str
    address: bytes | None  # encrypted
    phone: str | None  # of a contact without a receiver
    language: str
    template: str
    severity: Severity
    alert_class: str
    raised_at: datetime
    queued_at: datetime
    zone: tzinfo
    quiet: Mapping[str, Any] | None
    nhs_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How a channel does: since when nothing has got through, and why."""

    name: str
    failing_since: datetime
    failed_at: datetime
    reason: str


class Store(Protocol):
    """Keeps deliveries. Each call is a transaction of its own. Used by several threads at once."""

    def declare(self, channels: Collection[str]) -> None:
        """Say which channels are set up."""
        ...

    def waiting(self, now: datetime) -> Mapping[str, int]:
        """Return how many deliveries are due, by channel."""
        ...

    def take(
        self, channel: str, *, now: datetime, lease_s: float, avoid: Collection[int] = ()
    ) -> Due | None:
        """Take the worst, then oldest, that is due, for so long that sending it must have ended."""
        ...

    def sent(self, due: Due, outcome: Sent, *, now: datetime) -> bool:
        """Record that it went out; False when somebody else has taken it since."""
        ...

    def failed(
        self, due: Due, *, reason: str, over: bool, again_at: datetime | None, now: datetime
    ) -> str:
        """Record that it didn't, and hand over to the owner's next receiver where asked to.

        Returns ``again``, ``over`` (another receiver was queued in its place), ``dead`` (there is
        none, and trying again can't help) or ``late`` (it was stopped or taken by another since).
        """
        ...

    def unconfirmed(
        self, channel: str, *, since: datetime, most: int
    ) -> Collection[tuple[int, str]]:
        """Return numbers and provider's references of what was sent and isn't proven delivered."""
        ...

    def confirmed(self, no: int, outcome: Sent | Failed, *, now: datetime) -> None:
        """Record what the provider said became of it."""
        ...
