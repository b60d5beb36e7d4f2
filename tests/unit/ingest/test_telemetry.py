"""What must not stand in a log doesn't, whoever says it."""

from __future__ import annotations

import subprocess
import sys

SAID = """
from ingest import telemetry
telemetry.configure("alerts")
try:
    raise ValueError('new row violates a check\\nDETAIL:  Failing row contains (Ada Lovelace, 84).')
except ValueError:
    telemetry.logger().exception("It could not be written", address="7 Mill Lane")
"""


def test_a_traceback_does_not_repeat_the_rows_that_the_database_names() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SAID], capture_output=True, text=True, check=True, timeout=60
    ).stderr
    assert "ValueError: new row violates a check" in said
    for secret in ("Ada", "84", "Mill Lane"):
        assert secret not in said
