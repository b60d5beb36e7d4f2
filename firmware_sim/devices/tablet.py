"""A questionnaire tablet: how are you today, and what a carer says of consciousness and oxygen."""

from __future__ import annotations

from firmware_sim import wire
from firmware_sim.devices import monitors

_WORST = 4
_CONFUSED = 1.0


class Tablet(monitors.Monitor):
    """Asks its questions once a day; a course named ``symptom.<key>`` moves an answer."""

    quantities = ()
    usual_times = ("08:20",)

    def read(self) -> list[wire.Record]:
        """Return the answers: symptoms from 0 to 4, ACVPU, and oxygen."""
        story, play = self.world.story(), self.spec.play
        answers = [
            self.record(f"symptom.{key}", self._degree(key, story), "1")
            for key in play.get("asks", ("breathless", "swelling", "wellbeing"))
        ]
        confused = self._body.moved("confusion", story) >= _CONFUSED
        answers.append(self.record("acvpu", "C" if confused else "A"))
        answers.append(self.record("on_oxygen", bool(play.get("on_oxygen", False))))
        return answers

    def _degree(self, key: str, story: float) -> int:
        moved = self._body.moved(f"symptom.{key}", story)
        return int(min(max(round(moved), 0), _WORST))
