"""Do study intervals hold the truth, and does triage keep what it promises? 400 simulated populations each.

`python -m benchmarks.bench_study_statistics [REPEATS]`: 400 take some minutes. Patients whose studies share
an effect, some with two studies, a score for each slice, the largest of which is the study's; the truth is
that of 400,000 further studies.
"""

import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.console import out
from hemo.display.terminal import table
from hemo.evaluation import intervals, operating_point, predictions, study_score, triage
from hemo.evaluation.cuts import Cuts
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.study_decisions import GROUPS
from hemo.evaluation.triage import Promise

REPEATS: Final = 400
SLICES: Final = 24
TWICE: Final = 0.2
"""Share of patients with two studies."""

PATIENT: Final = 0.7
"""Spread of the patients' effects, in units of the slices' spread around them."""

RULE: Final = OperatingPointRule("sensitivity_at_least", 0.9)


@dataclass(frozen=True)
class World:
    """What studies are drawn from: how many patients, the share that bleeds, and how visibly it does."""

    patients: int
    prevalence: float
    separation: float

    @property
    def words(self) -> str:
        """The world for people."""
        bleed = self.patients * self.prevalence
        return f"{self.patients} patients, {bleed:.0f} of them positive, AUC {self.truth(0.5)['auc']:.2f}"

    def draw(self, seed: int, patients: int | None = None) -> pd.DataFrame:
        """Return a prediction table of studies, with the population's threshold of recall 0.9."""
        random = np.random.default_rng([seed, self.patients])
        patients = patients or self.patients
        patient = np.concatenate([np.arange(patients), np.flatnonzero(random.random(patients) < TWICE)])
        truth = (random.random(patients) < self.prevalence)[patient]
        effect = PATIENT * random.normal(size=patients)[patient]
        score = random.normal(size=(len(patient), SLICES))
        place, extent = random.integers(0, SLICES, len(patient)), random.integers(1, 9, len(patient))
        distance = np.abs(np.arange(SLICES) - place[:, None])
        score += self.separation * (truth[:, None] & (2 * distance < extent[:, None]))
        highest = score.max(1) + effect - 4
        return pd.DataFrame(
            {
                "slice_id": [f"s{row:06}" for row in range(len(patient))],
                "patient": [f"p{number:06}" for number in patient],
                "study": [f"t{row:06}" for row in range(len(patient))],
                "part": "test",
                "fold": 0,
                "truth": truth.astype(int),
                "probability": 1 / (1 + np.exp(-highest)),
                "threshold": 0.5,
            }
        )

    def truth(self, threshold: float, negative_below: float | None = None) -> dict[str, float]:
        """Return recall, specificity, AUC and predictive values of the population."""
        return _population(self, threshold, negative_below)


@cache
def _huge(world: World) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the rising probabilities of positive and of negative studies, and the AUC."""
    drawn = world.draw(99, 400_000)
    probability, truth = drawn["probability"].to_numpy(), drawn["truth"].to_numpy()
    positive, negative = np.sort(probability[truth == 1]), np.sort(probability[truth == 0])
    return positive, negative, float(np.searchsorted(negative, positive).mean() / len(negative))


def _population(world: World, threshold: float, negative_below: float | None) -> dict[str, float]:
    positive, negative, auc = _huge(world)
    below = threshold if negative_below is None else negative_below
    missed, cleared = (np.searchsorted(part, below) / len(part) for part in (positive, negative))
    recall, specificity = (
        1 - np.searchsorted(positive, threshold) / len(positive),
        np.searchsorted(negative, threshold) / len(negative),
    )
    found, alarms = recall * world.prevalence, (1 - specificity) * (1 - world.prevalence)
    wrong, right = missed * world.prevalence, cleared * (1 - world.prevalence)
    return {
        "recall": recall,
        "specificity": specificity,
        "auc": auc,
        "ppv": found / (found + alarms) if found + alarms else 1.0,
        "npv": right / (right + wrong) if right + wrong else 1.0,
        "unsure": 1 - found - alarms - wrong - right,
    }


WORLDS: Final = (
    World(60, 0.5, 3.5),
    World(75, 0.2, 3.5),
    World(150, 0.3, 3.0),
    World(150, 0.3, 5.0),
    World(300, 0.1, 4.5),
    World(400, 0.15, 4.0),
)


def covered(world: World, seed: int, *, fitted: bool, draws: int = 1000) -> dict[str, bool]:
    """Return which intervals of one drawn data set hold the population's metrics.

    Parameters
    ----------
    world, seed
        What is drawn.
    fitted
        Whether the threshold is fitted, out of groups of patients, on the same data; then the truth is that
        of the threshold fitted on all of it. Else it is the one at which the population's recall is 0.9.
    draws
        Of the bootstrap.
    """
    drawn = world.draw(seed)
    at = float(np.quantile(_huge(world)[0], 0.1))
    if fitted:
        group = study_score.folds_of(drawn["patient"].tolist(), drawn["probability"].to_numpy(), GROUPS)
        columns = (drawn["truth"], drawn["probability"])
        at = operating_point.fit(*columns, RULE)
        drawn = drawn.assign(threshold=operating_point.cross_fit(*columns, group, RULE))
    else:
        drawn = drawn.assign(threshold=at)
    truth = world.truth(at)
    found = intervals.bootstrap(predictions.validate(drawn), draws, seed, ["recall", "specificity", "auc"])
    rows = found.to_dict("records")
    return {row["metric"]: bool(row["low"] <= truth[row["metric"]] <= row["high"]) for row in rows}


def triage_held(
    studies: int,
    prevalence: float,
    repeats: int,
    stated: float | None = None,
    promise: tuple[float, float] = (0.97, 0.9),
    separation: float = 5.0,
    *,
    confident: bool = True,
) -> NDArray[np.bool_]:
    """Return in which simulated populations both promised predictive values hold, bool (repeats,).

    Parameters
    ----------
    studies, prevalence, separation
        Of the data that thresholds are fitted on: patients, most with one study.
    repeats
        Populations.
    stated
        Prevalence of the promise and of the population that it is judged in; the data's own where None.
    promise
        NPV and PPV.
    confident
        Without, thresholds are those at which the estimates reach the promise: what not to do.
    """
    return _triage(studies, prevalence, repeats, stated, promise, separation, confident=confident)[0]


def _triage(
    studies: int,
    prevalence: float,
    repeats: int,
    stated: float | None,
    promise: tuple[float, float],
    separation: float,
    *,
    confident: bool = True,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return where a promise held, and the share that was left unsure there."""
    drawn_from = World(studies, prevalence, separation)
    judged_in = World(studies, stated or prevalence, separation)
    _huge(judged_in)
    held, unsure = [], []
    for seed in range(repeats):
        drawn = drawn_from.draw(seed)
        columns = (drawn["truth"], drawn["probability"])
        if confident:
            at = triage.fit(*columns, drawn["patient"], Promise(*promise, stated))
        else:
            at = _estimated(*columns, *promise)
        truth = judged_in.truth(at.threshold, at.negative_below)
        held.append(truth["npv"] >= promise[0] and truth["ppv"] >= promise[1])
        unsure.append(truth["unsure"])
    return np.array(held), np.array(unsure)


def _estimated(truth: pd.Series, probability: pd.Series, npv: float, ppv: float) -> triage.Thresholds:
    """Return the thresholds nearest to each other whose estimated predictive values reach the promise."""
    cuts = Cuts.of(probability.to_numpy())
    positive = truth.to_numpy()[cuts.order]
    called, left = cuts.counts, len(truth) - cuts.counts
    found = np.append(0, np.cumsum(positive))[cuts.counts]
    right = found / np.maximum(called, 1) >= ppv
    clear = 1 - (positive.sum() - found) / np.maximum(left, 1) >= npv
    threshold = min(cuts.thresholds[right & (called > 0)], default=triage.NEVER)
    return triage.Thresholds(min(max(cuts.thresholds[clear & (left > 0)], default=0.0), threshold), threshold)


TRIAGES: Final[tuple[tuple[int, float, float | None, tuple[float, float], float], ...]] = (
    (150, 0.4, None, (0.97, 0.9), 5.0),
    (300, 0.35, None, (0.97, 0.9), 5.0),
    (300, 0.35, None, (0.95, 0.8), 4.0),
    (1000, 0.15, None, (0.97, 0.9), 4.0),
    (1000, 0.15, None, (0.99, 0.7), 5.0),
    (500, 0.4, 0.15, (0.97, 0.8), 5.0),
    (1000, 0.15, 0.3, (0.97, 0.9), 5.0),
)


def main(repeats: int = REPEATS) -> bool:
    """Print how often intervals held the truth and triage its promise; return whether often enough.

    Intervals are judged at given thresholds, as they say nothing of a threshold's own uncertainty.
    """
    rows, good = [], True
    for world in WORLDS:
        for fitted in (False, True):
            held = pd.DataFrame([covered(world, seed, fitted=fitted) for seed in range(repeats)]).mean()
            good &= fitted or bool(held.between(0.92, 0.98).all())
            rows.append((world.words, "fitted" if fitted else "given", *(f"{x:.1%}" for x in held)))
    names = ["studies", "threshold", "recall", "specificity", "AUC"]
    out.print(table(f"95% intervals that hold the truth, of {repeats}", names, rows))
    rows = []
    for studies, prevalence, stated, promise, separation in TRIAGES:
        both, unsure = _triage(studies, prevalence, repeats, stated, promise, separation)
        good &= bool(both.mean() >= 0.95)
        at = f"{stated:g}, stated" if stated else f"{prevalence:g}"
        words = (f"{studies}", f"{prevalence:g}", at, f"{promise[0]:g}", f"{promise[1]:g}")
        rows.append((*words, f"{both.mean():.1%}", f"{unsure.mean():.0%}"))
    names = ["patients", "their prevalence", "promised at", "NPV", "PPV", "kept", "unsure"]
    out.print(table(f"Triage: both promises kept, of {repeats}", names, rows))
    return good


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS) else 1)
