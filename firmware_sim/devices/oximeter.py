"""A pulse oximeter that also counts breaths."""

from __future__ import annotations

from firmware_sim.devices import monitors


class Oximeter(monitors.Monitor):
    """Clipped on a finger morning and evening."""

    quantities = ("spo2", "heart_rate", "resp_rate")
    usual_times = ("08:00", "20:00")
