"""Logs and metrics: constant sentences plus fields, never a name, an NHS number or a reading."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

_FORBIDDEN = frozenset(
    {"name", "nhs_number", "value", "payload", "address", "phone", "password", "token", "body"}
)
"""Field names that can only carry what must not be logged: dropped, and the drop is shown."""
_ROWS = re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE)


def _redact(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in _FORBIDDEN & event.keys():
        event[key] = "[redacted]"
    return event


def _no_rows(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out of a traceback what the database says of the rows themselves."""
    said = event.get("exception")
    if isinstance(said, str):
        event["exception"] = _ROWS.sub(r"\1: [redacted]", said)
    return event


def configure(role: str, level: str = "INFO") -> None:
    """Send the process's logs to stderr, one line each, JSON unless a person is watching."""
    shown: Any = (
        # never the prettier tracebacks: they print what the variables hold
        structlog.dev.ConsoleRenderer(
            colors=True, exception_formatter=structlog.dev.plain_traceback
        )
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )

    def with_role(
        _: Any, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:  # context variables would only reach the main thread
        return {"role": role, **event}

    structlog.configure(
        processors=[
            with_role,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            structlog.processors.format_exc_info,
            _no_rows,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def logger(**fields: Any) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that adds ``fields`` to every line."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(**fields)
    return bound


REGISTRY = CollectorRegistry(auto_describe=True)
"""The process's metrics. Labels never identify a person, a home or a device."""
