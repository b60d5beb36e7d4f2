"""What can go wrong between a reading and a person who acts; a docstring is the message."""

from __future__ import annotations

from ingest.kernel import errors


class AlertsError(errors.HubError):
    """The alerts role could not do something."""


class UnknownAlertError(AlertsError):
    """There is no alert {no}."""


class StaleVersionError(AlertsError):
    """The alert has changed since it was looked at; its present state is in `current`."""


class TransitionRefusedError(AlertsError):
    """The alert can't do that now: {reason}."""


class MuteRefusedError(AlertsError):
    """Nobody can be muted like that: {reason}."""


class WardRefusedError(AlertsError):
    """It can't be done on the ward: {reason}."""


class UnknownEpisodeError(AlertsError):
    """There is no ward episode {no}."""


class LostCursorError(errors.RecoverableError):
    """Another process has read on: forget this memory and load it again."""


class PlaceUnavailableError(errors.RecoverableError):
    """{place} outside the hub can't be reached: {why}."""


class PackError(AlertsError):
    """{file}:{line}: {problem}"""


class ScoreInputError(AlertsError):
    """{problems}"""


class BacktestError(AlertsError):
    """{problem}"""
