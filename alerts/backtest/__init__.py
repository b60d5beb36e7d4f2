"""Packs tried on what was recorded, with the engine that judges live and a virtual clock."""
