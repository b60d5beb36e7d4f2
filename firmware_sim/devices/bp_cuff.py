"""A blood-pressure cuff for the upper arm."""

from __future__ import annotations

from firmware_sim.devices import monitors


class BloodPressureCuff(monitors.Monitor):
    """Gives both pressures and the pulse."""

    quantities = ("systolic", "diastolic", "heart_rate")
    usual_times = ("08:10", "20:10")
