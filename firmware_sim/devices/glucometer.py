"""A glucose meter for a drop of capillary blood; some are set to mg/dL."""

from __future__ import annotations

from firmware_sim import wire
from firmware_sim.devices import monitors

_MG_DL = 18.0156  # mg/dL in a mmol/L of glucose: molar mass 180.156 g/mol (PubChem CID 5793)


class Glucometer(monitors.Monitor):
    """Used before breakfast and before the evening meal."""

    quantities = ("glucose",)
    usual_times = ("07:45", "17:45")

    def read(self) -> list[wire.Record]:
        """Return the glucose in the unit that the meter is set to."""
        records = super().read()
        if self.spec.play.get("unit") != "mg/dL":
            return records
        return [self.record("glucose", round(float(records[0].value) * _MG_DL), "mg/dL")]
