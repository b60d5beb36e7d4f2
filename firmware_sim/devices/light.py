"""A light that a command switches on for a while, so that nobody walks in the dark."""

from __future__ import annotations

from firmware_sim import wire
from firmware_sim.devices import base

_LONGEST_S = 3600.0  # a light that nobody switches off again (unsourced)


class Light(base.Device):
    """A lamp in a plug; it goes out by itself."""

    def started(self) -> None:
        """Be dark."""
        self.on = False
        self._turns = 0

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Switch on for the ``seconds`` or ``minutes`` asked for, or off."""
        match command.do:
            case "light_on":
                lasts = float(command.args.get("seconds", 0))
                lasts += 60 * float(command.args.get("minutes", 0))
                self._switch(on=True, lasts=lasts or _LONGEST_S)
                return True, f"on for {lasts:g} s" if lasts else "on"
            case "light_off":
                self._switch(on=False, lasts=0.0)
                return True, "off"
            case _:
                return super().do(command)

    def _switch(self, *, on: bool, lasts: float) -> None:
        """Burn until the newest command's time is over."""
        self.on = on
        self._turns += 1
        turn = self._turns
        if on:
            self.world.after_real(lasts, lambda: self._out(turn))

    def _out(self, turn: int) -> None:
        if turn == self._turns:
            self.on = False
