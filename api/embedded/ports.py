"""TCP ports: is one taken, does somebody answer, which is free."""

from __future__ import annotations

import socket


def taken(address: str, port: int) -> bool:
    """Tell whether another program listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def answers(address: str, port: int) -> bool:
    """Tell whether a connection can be made."""
    try:
        with socket.create_connection((address, port), timeout=1.0):
            return True
    except OSError:
        return False


def free(address: str, wanted: int) -> int:
    """Return the wanted port, or another when that one is taken."""
    if not taken(address, wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
