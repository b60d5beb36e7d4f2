"""Run one gateway: ``python -m gateway``."""

from __future__ import annotations

import sys

from gateway.main import run
from gateway.settings import GatewaySettings

sys.exit(run(GatewaySettings()))
