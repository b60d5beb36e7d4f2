"""Run the simulator as ``python -m firmware_sim``."""

from __future__ import annotations

from firmware_sim import main

if __name__ == "__main__":
    main.main()
