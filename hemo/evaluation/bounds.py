"""From a metric and its draws of patients to the bounds of a 95% interval."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["share", "positive", "real", "difference"]
"""Values a metric can take: [0, 1], [0, inf), any, [-1, 1]."""

_NORMAL: Final = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


def interval(
    values: float | NDArray[np.float64],
    draws: NDArray[np.float64],
    patients: int,
    scale: Scale,
) -> tuple[float, float]:
    """Return a metric's 95% interval from its bootstrap draws.

    Parameters
    ----------
    values
        The metric on the data; of several deals in each, (deals,): the interval is their mean's.
    draws
        The metric in each draw of patients, (draws,) or (deals, draws); undefined ones (NaN) are left out.
    patients
        How many patients carry the metric.
    scale
        Where the metric lives: the interval stays there.

    Returns
    -------
    low, high
        NaN where the metric is undefined.

    Notes
    -----
    Standard error and degrees of freedom are those of `error`, and the interval is Student's (Cameron and
    Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50:317, 2015), on
    the log odds of a share (Pepe, "The statistical evaluation of medical tests for classification and
    prediction", 2003, section 5.2) and the logarithm of a positive metric, carried back.

    Where a share is 0 or 1, all draws agree or one patient is all there is, the draws say little of other
    patients: then it is Wilson's interval (Journal of the American Statistical Association 22:209, 1927)
    with patients as units, which is conservative: a share that varies between patients never varies by more
    than p(1 - p).

    Percentiles of the draws were tried and left. In simulations with strongly alike slices, true recalls of
    0.6 to 0.95 and AUCs of 0.84 to 0.93, percentiles held the truth 46 to 95 times in 100, percentiles
    expanded for few patients 48 to 97, and this interval 92 to 98 with 8 to 40 positive patients and 97 to
    100 with 4. An AUC has its own, `auc_interval`.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(0.8, 0.05, 2000)
    >>> low, high = interval(0.8, draws, patients=12, scale="share")
    >>> print(f"{low:.2f} to {high:.2f}")
    0.66 to 0.89
    """
    from scipy import stats

    value = float(np.mean(values))
    found = error(values, draws, patients)
    if found is None:
        return np.nan, np.nan
    spread, freedom = found
    if not spread or (scale == "share" and value in (0, 1)):
        return _widest(value, patients, scale)
    reach = spread * float(stats.t.ppf(0.975, freedom))
    if scale == "share":
        odds = np.exp(np.minimum(reach / (value * (1 - value)), 700.0))
        return value / (value + (1 - value) * odds), value * odds / (value * odds + 1 - value)
    if scale == "positive" and value > 0:
        factor = np.exp(np.minimum(reach / value, 700.0))
        return value / factor, value * factor
    if scale == "difference":
        return max(-1.0, value - reach), min(1.0, value + reach)
    return value - reach, value + reach


def auc_interval(
    values: float | NDArray[np.float64],
    draws: NDArray[np.float64],
    rows: tuple[int, int],
    patients: tuple[int, int],
) -> tuple[float, float]:
    """Return an AUC's 95% interval from its bootstrap draws.

    Parameters
    ----------
    values, draws
        As in `interval`.
    rows
        How many slices, or studies, are positive and how many negative.
    patients
        How many patients have a positive one, and how many a negative one.

    Returns
    -------
    low, high
        NaN where the AUC is undefined.

    Notes
    -----
    The bounds are the AUCs from which the one found is Student's quantile of *their* standard errors away,
    as Wilson's are for a share and Newcombe's for an AUC (method 5 of "Confidence intervals for an effect
    size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25:559, 2006). That of
    independent rows at an AUC is `auc_error`; patients and deals widen it by the same factor everywhere, that
    of the AUC found: `error` over `auc_error`. It is never narrowed: an AUC near 1 hangs on the few positives
    that lie low, and where chance left them out the draws agree. Degrees of freedom are those of `error` for
    the fewer of both kinds of patients. Where the AUC is 0 or 1, or all draws agree, patients are the units.

    The error at the AUC found, on its log odds, was tried and left: of an AUC of 0.999 it cannot be told from
    what is over 1, and its interval was 0.4 to 1, where that of 1 was 0.85 to 1. In simulations of 30 to 300
    patients with true AUCs of 0.85 to 0.998, of one study or 12 slices each, 3 to 90 patients positive, this
    one held the truth 93 to 99.6 times in 100 (`benchmarks/bench_study_statistics.py` has some of them).

    Examples
    --------
    >>> draws = np.random.default_rng(0).uniform(0.996, 1, 2000)
    >>> low, high = auc_interval(0.999, draws, rows=(20, 50), patients=(20, 50))
    >>> print(f"{low:.2f} to {high:.4f}")
    0.91 to 1.0000
    """
    from scipy import stats

    value, fewest = float(np.mean(values)), min(patients)
    found = error(values, draws, fewest)
    if found is None:
        return np.nan, np.nan
    if fewest < 2:
        return wilson(value, fewest)
    spread, freedom = found
    units, variance = rows, fewest / (fewest - 1)
    if spread and value not in (0, 1):
        variance = max(variance, (spread / auc_error(value, *rows)) ** 2)
    else:
        units, freedom = patients, fewest - 1
    reach = float(np.sqrt(variance) * stats.t.ppf(0.975, freedom))
    # The error is the same at 1 - AUC: as if negative were positive.
    return _lowest_auc(value, reach, units), 1 - _lowest_auc(1 - value, reach, units)


def _lowest_auc(value: float, reach: float, units: tuple[int, int]) -> float:
    """Return the AUC so many of its standard errors below another."""
    from scipy.optimize import brentq

    if not value:
        return 0.0

    def beyond(auc: float) -> float:
        return value - auc - reach * auc_error(auc, *units)

    return float(brentq(beyond, 0.0, value * (1 - 1e-12)))


def error(
    values: float | NDArray[np.float64], draws: NDArray[np.float64], patients: int
) -> tuple[float, float] | None:
    """Return the standard error of a metric, or of its mean over deals, and the degrees of freedom.

    Parameters
    ----------
    values, draws, patients
        As in `interval`.

    Returns
    -------
    error, freedom
        0 and 0 where the draws say nothing (they agree, or one patient is all there is); None where the
        metric is undefined.

    Notes
    -----
    Of one deal it is the standard deviation of the draws, times sqrt(G / (G - 1)) for G patients, with G - 1
    degrees of freedom.

    Of R deals it is that of a metric averaged over readers in a study of several readers and many cases, both
    of which are random (Obuchowski and Rockette, Communications in Statistics B 24:285, 1995; with a
    bootstrap of cases, Gallas et al., Communications in Statistics A 38:2586, 2009): deals are the readers,
    patients the cases. To the variance of the mean in draws of patients, who are the same in every deal, that
    of the deals' values is added, over R. What single patients explain of the latter is in both, so that the
    interval is rather too wide; that is wanted, as what all deals share, the patients learned from, is in
    neither. Degrees of freedom are Satterthwaite's (Biometrics Bulletin 2:110, 1946), of G - 1 and R - 1: few
    deals that differ give wide intervals.
    """
    values, draws = np.atleast_1d(values), np.atleast_2d(draws)
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    if not np.isfinite(values).all() or not draws.shape[1] or not patients:
        return None
    mean = draws.mean(axis=0)
    by_patients, by_deals = float(mean.std()), 0.0
    repeats = len(values)
    if repeats > 1:
        by_deals = float(values.std(ddof=1)) / np.sqrt(repeats)
    if patients < 2 or max(by_patients, by_deals) < 1e-12:
        return 0.0, 0.0
    by_patients *= float(np.sqrt(patients / (patients - 1)))
    if not by_deals:
        return by_patients, patients - 1
    total = by_patients**2 + by_deals**2
    freedom = total**2 / (by_patients**4 / (patients - 1) + by_deals**4 / (repeats - 1))
    return float(np.sqrt(total)), float(freedom)


def auc_error(auc: float, positives: int, negatives: int) -> float:
    """Return the standard error of an AUC of so many independent scores, were they exponential.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143:29, 1982; in Newcombe's form, with the mean number of either class ("Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine
    25:559, 2006). 0 where the AUC is undefined.

    Examples
    --------
    >>> round(auc_error(0.97, positives=60, negatives=340), 4)
    0.0122
    """
    if not np.isfinite(auc):
        return 0.0
    mean = (positives + negatives) / 2
    spread = 1 + (mean - 1) * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return float(np.sqrt(auc * (1 - auc) * spread / (positives * negatives)))


def _widest(value: float, patients: int, scale: Scale) -> tuple[float, float]:
    """Return what patients as units can say at most, when the draws say nothing."""
    if scale == "share":
        return wilson(value, patients)
    if scale == "difference":
        # The difference of two shares is that of their mapping to [0, 1], twice as wide.
        low, high = wilson((value + 1) / 2, patients)
        return 2 * low - 1, 2 * high - 1
    return np.nan, np.nan


def wilson(share: float, units: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share seen in so many independent units.

    Examples
    --------
    >>> low, high = wilson(1.0, units=3)  # all of three patients
    >>> print(f"{low:.2f} to {high:.2f}")
    0.44 to 1.00
    """
    spread = _NORMAL**2 / units
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
