"""One module per kind of device, each behaving as the wire format says devices must."""

from __future__ import annotations
