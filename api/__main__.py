"""Runs the API: ``python -m api``."""

from __future__ import annotations

import sys

from api import main

if __name__ == "__main__":
    sys.exit(main.main())
