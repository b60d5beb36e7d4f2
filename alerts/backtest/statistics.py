"""How sure figures are: intervals of proportions, and of rates over homes that differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Z95: Final = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""
RESAMPLES: Final = 2_000
SEED: Final = 20_190_401
"""Fixed, so that the same run gives the same interval."""


def wilson(hits: int, n: int, *, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    hits
        Successes, 0 to n.
    n
        Trials.
    z
        Normal quantile; the default is for 95 %.

    Returns
    -------
    tuple[float, float]
        Lower and upper bound, 0 to 1; NaN without trials.

    References
    ----------
    .. [1] E. B. Wilson, Probable inference, the law of succession, and statistical inference,
       J. Am. Stat. Assoc. 22 (1927) 209-212.
    .. [2] R. G. Newcombe, Two-sided confidence intervals for the single proportion, Stat. Med. 17
       (1998) 857-872, method 3.
    """
    if n == 0:
        return math.nan, math.nan
    share, square = hits / n, z * z
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def over_homes(
    counts: FloatArray,
    figure: Callable[[FloatArray], FloatArray],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """Return a 95 % percentile interval of a figure, homes drawn with replacement.

    People of one home are alike, and so are the days of one person: homes are what is drawn.

    Parameters
    ----------
    counts
        What each home counts, shape (homes, columns).
    figure
        From sums over homes, shape (m, columns), to the figure, shape (m,).
    resamples
        How often is drawn.
    seed
        Of the drawing.

    Returns
    -------
    tuple[float, float]
        2.5 and 97.5 % points; NaN for fewer than two homes, or where no draw has the figure.

    References
    ----------
    .. [1] A. C. Davison, D. V. Hinkley, Bootstrap Methods and their Application, Cambridge 1997,
       section 3.8 (resampling clusters).
    """
    homes = len(counts)
    if homes < 2:  # noqa: PLR2004  (one home says nothing of others)
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).multinomial(homes, np.full(homes, 1 / homes), resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = figure(drawn @ counts)
    found = found[np.isfinite(found)]
    if not found.size:
        return math.nan, math.nan
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def ratio(sums: FloatArray) -> FloatArray:
    """Return the first column over the second: a rate."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def f1(sums: FloatArray) -> FloatArray:
    """Return the harmonic mean of precision and recall from true positives, alerts and labels."""
    return np.asarray(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]))
