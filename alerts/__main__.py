"""``python -m alerts``: run the role by its settings."""

from __future__ import annotations

import sys

from alerts.main import run

sys.exit(run())
