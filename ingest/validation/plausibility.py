"""Values no living person or working sensor can give: flagged, kept, never judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ingest.kernel import vitals

_SIZE = max(vitals.BY_NO) + 1
_LOW = np.full(_SIZE, -np.inf)
_HIGH = np.full(_SIZE, np.inf)
for _q in vitals.QUANTITIES:
    _LOW[_q.no], _HIGH[_q.no] = _q.low, _q.high


def implausible(quantity: NDArray[np.int16], value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which values lie outside their quantity's plausible range.

    Parameters
    ----------
    quantity
        Quantity numbers of the nomenclature, shape (n,).
    value
        Values in the hub's unit, NaN where there is none (a text answer), shape (n,).

    Returns
    -------
    NDArray[np.bool_]
        True where implausible; the bounds themselves are plausible, NaN is not judged.
    """
    return (value < _LOW[quantity]) | (value > _HIGH[quantity])
