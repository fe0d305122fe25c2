"""Numbers as text for people: one form of a metric with its interval, with as many digits as it takes."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hemo.evaluation.summary import Counts

UNDEFINED = "–"
"""Stands where there is no number."""

_EXACT = 17
"""Digits that tell any two floats between 0.1 and 1 apart."""


def number(value: float, form: str = "z.2f") -> str:
    """Return a number as text, with a minus sign in place of a hyphen; a dash where it is undefined.

    >>> number(-0.5), number(0.84159, "z.3f"), number(float("nan"))
    ('−0.50', '0.842', '–')
    """
    if not math.isfinite(value):
        return UNDEFINED
    return format(value, form).replace("-", "−")


def ranged(value: float, low: float, high: float, form: str = "z.2f") -> str:
    """Return a metric with its interval.

    Parameters
    ----------
    value, low, high
        The metric and its bounds; without bounds (NaN) it stands alone.
    form
        Of each number, as `format` takes it: `z.3f` (`z`: no minus sign before zero), `+z.3f`, `.0%`.

    Examples
    --------
    >>> ranged(0.84, 0.74, 0.91)
    '0.84 (0.74 to 0.91)'
    """
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)):
        return number(value, form)
    return f"{number(value, form)} ({number(low, form)} to {number(high, form)})"


def p_value(p: float) -> str:
    """Return a p with three decimals.

    >>> p_value(0.0123), p_value(0.0001)
    ('0.012', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else number(p, ".3f")


def logged(metrics: Mapping[str, float], name: str, form: str = "z.2f") -> str:
    """Return a metric with its interval as a run logged them, `NAME`, `NAME_low` and `NAME_high`.

    >>> logged({"test/auc": 0.84, "test/auc_low": 0.74, "test/auc_high": 0.91}, "test/auc")
    '0.84 (0.74 to 0.91)'
    """
    value, low, high = (metrics.get(f"{name}{suffix}", math.nan) for suffix in ("", "_low", "_high"))
    return ranged(value, low, high, form)


def decimals(found: float, *asked: float, least: int = 2, kind: Literal["f", "g"] = "f") -> int:
    """Return with how many digits a number is told from those asked for, which it does not equal.

    Parameters
    ----------
    found
        The number.
    asked
        What it is compared with.
    least
        Fewest digits.
    kind
        Digits behind the point (`f`) or significant ones (`g`).

    Examples
    --------
    >>> decimals(0.4996, 0.5), decimals(0.3, 0.5)
    (4, 2)
    """
    digits = least
    others = [one for one in asked if one != found] if math.isfinite(found) else []
    while digits < _EXACT and any(f"{found:z.{digits}{kind}}" == f"{one:z.{digits}{kind}}" for one in others):
        digits += 1
    return digits


def described(counts: "Counts") -> str:
    """Return in words what was tested: patients and slices (or studies), and how many are positive."""
    return (
        f"{counts.patients:,} patients ({counts.positive_patients:,} positive), "
        f"{counts.slices:,} {counts.units} ({counts.positive_slices:,} positive)"
        + (f"; mean of {counts.repeats} deals" if counts.repeats > 1 else "")
    )
