"""A bathroom scale; some estimate body water, some are set to pounds."""

from __future__ import annotations

from firmware_sim import wire
from firmware_sim.devices import monitors

_POUND_KG = 0.45359237  # international pound, exact


class Scale(monitors.Monitor):
    """Stood upon in the morning."""

    quantities = ("weight",)
    usual_times = ("07:30",)

    def read(self) -> list[wire.Record]:
        """Return the weight in the unit that the scale is set to, and body water where it can."""
        weight = super().read()[0]
        if self.spec.play.get("unit") == "[lb_av]":
            weight = self.record("weight", round(float(weight.value) / _POUND_KG, 1), "[lb_av]")
        water = [self.vital("body_water")] if self.spec.play.get("body_water") else []
        return [weight, *water]
