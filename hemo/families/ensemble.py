"""Several families as one classifier, which judges a slice together with those around it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo import families
from hemo.errors import HemoError
from hemo.families import _study
from hemo.families._checks import check_choices, check_images, check_range, check_truth
from hemo.families._estimators import both_classes
from hemo.families._saved import load_state, save_state
from hemo.families._shown import Usual
from hemo.families.base import Classifier, Family, Images, LabelTable, OnEpoch, Slices, Studies, Truth

if TYPE_CHECKING:
    import optuna

FOLDS = 4
"""Folds by study in which stacking learns what each member is worth."""


class Ensemble:
    """A vote of families on the label and on `any`, then of the slice, its neighbours and its study.

    A slice's score is a mean of the members' logits. For a subtype it is mixed with the same members' score
    for `any`: blood of a rare kind is first of all blood, and of that there is far more to learn from.
    The score is then averaged with the neighbouring slices', and with that of the whole study.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        The members' seeds come from it.

    Attributes
    ----------
    groups_ : dict
        The members fitted on the label (`own`), and for subtypes on `any`: lists of classifiers, in the order
        of the parameter `members`.
    weights_ : dict
        For each group the members' weights and an intercept at the end.
    usual_ : Usual or None
        How slices are shown that were learned from: stacks that are shown otherwise, in another window say,
        are brought to it before they are judged. None where that is not asked for, or cannot be told.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged`: whether all members are; `iterations`: of all together.
    """

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = {"windows": "kept", **params}  # as those of before knew no other way
        self.seed = seed
        check_choices(self.params, {"how": ("mean", "stack"), "windows": ("undone", "kept")})
        members = params["members"]
        if not isinstance(members, Mapping) or not members:
            raise HemoError(f"parameter members: '{members}' names no family: give some, like boosted: {{}}")
        for name, given in members.items():
            families.check_params(name, given or {})
        check_range(params, {"any": 1, "study": 1, "neighbours": np.inf})

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
        labels: LabelTable | None = None,
    ) -> Self:
        """Fit the members on slices of whole studies; without `labels`, on the label alone.

        `validation` is passed on for early stopping; the members' epochs are not told.
        """
        check_images(images)
        told = self.params["windows"] == "undone" and images.shape[-1] == 1
        self.usual_ = Usual.of(images, study) if told else None
        targets = {"own": check_truth(y, len(images)).astype(int)}
        if labels is not None and self.params["any"] > 0:
            hemorrhage = np.asarray(labels)[:, 0].astype(int)
            if len(np.unique(hemorrhage[hemorrhage >= 0])) == 2 and (hemorrhage != y).any():
                targets["any"] = hemorrhage
        self.groups_: dict[str, list[Classifier]] = {}
        self.weights_: dict[str, NDArray[np.float64]] = {}
        for group, truth in targets.items():
            known = np.flatnonzero(truth >= 0)
            data = (images.take(known, axis=0), truth[known], _part(study, known), _part(labels, known))
            stops = validation if group == "own" else None
            self.groups_[group] = self._fit_members(*data, stops)
            self.weights_[group] = self._weights(*data)
        fitted = [one.convergence_ for members in self.groups_.values() for one in members]
        self.image_shape_ = tuple(images.shape[1:])
        self.convergence_ = {
            "converged": min(one["converged"] for one in fitted),
            "iterations": sum(one["iterations"] for one in fitted),
        }
        return self

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features that members take from slices."""
        for name, given in self.params["members"].items():
            member = families.build(name, given or {}, self.seed)
            if isinstance(member, families.KeepsFeatures):
                member.keep_features(images)

    @property
    def abridged_(self) -> str:
        """How fits of members were cut down for want of memory (see `hemo.families.Abridges`)."""
        said = {
            f"{name} {one.abridged_}": None
            for members in self.groups_.values()
            for name, one in zip(self._names, members, strict=True)
            if isinstance(one, families.Abridges) and one.abridged_
        }
        return "; ".join(said)

    @property
    def _names(self) -> list[str]:
        return list(self.params["members"])

    def _fit_members(
        self,
        images: Slices,
        y: Truth,
        study: Studies | None,
        labels: LabelTable | None,
        validation: tuple[Slices, Truth] | None,
    ) -> list[Classifier]:
        result = []
        for name, given in self.params["members"].items():
            member = families.build(name, given or {}, self.seed)
            context = families.fit_context(name, study, labels)
            seen = np.asarray(images) if families.get(name).slice_bytes is None else images
            result.append(member.fit(seen, y, validation=validation, **context))
        return result

    def _weights(
        self, images: Slices, y: Truth, study: Studies | None, labels: LabelTable | None
    ) -> NDArray[np.float64]:
        """Return the members' weights and an intercept: equal ones, or as learned on held-out studies."""
        members = len(self._names)
        if self.params["how"] == "mean":
            return np.r_[np.full(members, 1 / members), 0.0]
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold

        logits = np.empty((len(y), members))
        groups = _study.numbers(study, len(y))
        for learn, rest in StratifiedGroupKFold(FOLDS).split(logits, y, groups):
            if len(np.unique(y[learn])) < 2:
                raise HemoError("how: too few studies have the label to stack members: give how: mean")
            data = (images.take(learn, axis=0), y[learn], _part(study, learn), _part(labels, learn))
            fitted = self._fit_members(*data, None)
            logits[rest] = self._member_logits(fitted, images.take(rest, axis=0), _part(study, rest))
        model = LogisticRegression().fit(logits, y)
        return np.r_[model.coef_[0], model.intercept_]

    def _member_logits(
        self, members: list[Classifier], images: Slices, study: Studies | None
    ) -> NDArray[np.float64]:
        """Return the members' logits, (n, members)."""
        columns = [
            families.positive(member, name, images, study)
            for name, member in zip(self._names, members, strict=True)
        ]
        return _logits(columns)

    def _as_usual(self, images: Images, study: Studies | None) -> Images:
        """Return slices as those learned from are shown."""
        return images if self.usual_ is None else self.usual_.undone(images, study)

    def _share(self, group: str) -> float:
        if len(self.groups_) == 1:
            return 1.0
        share = float(self.params["any"])
        return share if group == "any" else 1 - share

    def predict_proba(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        images = self._as_usual(images, study)
        score = np.zeros(len(images))
        for group, members in self.groups_.items():
            *weights, intercept = self.weights_[group]
            voted = self._member_logits(members, images, study) @ np.array(weights) + intercept
            score += self._share(group) * voted
        numbers = _study.numbers(study, len(images))
        score = _study.smoothed(score, numbers, self.params["neighbours"])
        share = self.params["study"]
        score = (1 - share) * score + share * _study.of_study(score, numbers)
        return both_classes(expit(score))

    def predict_alone(self, images: Images) -> NDArray[np.float64] | None:
        """Return the probability of class 0 and 1 of slices that stand alone; None where no member can.

        In the place of a member that needs the slices around is the mean logit of those that do not: where
        all weigh the same, the score is the mean of these.
        """
        from scipy.special import expit

        check_images(images, self.image_shape_)
        images = self._as_usual(images, None)
        score = np.zeros(len(images))
        for group, members in self.groups_.items():
            columns = [
                families.alone(member, name, images)
                for name, member in zip(self._names, members, strict=True)
            ]
            known = [column for column in columns if column is not None]
            if not known:
                return None
            *weights, intercept = self.weights_[group]
            logits = _logits(known)
            can = np.array([column is not None for column in columns])
            left_out = np.array(weights)[~can].sum() * logits.mean(axis=1)
            voted = logits @ np.array(weights)[can] + left_out + intercept
            score += self._share(group) * voted
        return both_classes(expit(score))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return the weighted mean of where the members look, float32 (n, height, width)."""
        check_images(images, self.image_shape_)
        images = self._as_usual(images, None)
        maps = np.zeros(images.shape[:3], np.float32)
        for group, members in self.groups_.items():
            for weight, member in zip(self.weights_[group], members, strict=False):
                maps += np.float32(self._share(group) * weight) * member.attribution(images)
        return maps

    def save(self, folder: Path) -> None:
        """Write the members into folders of their own, and how they are put together."""
        for group, members in self.groups_.items():
            for number, (name, member) in enumerate(zip(self._names, members, strict=True)):
                families.save(member, name, folder / group / str(number))
        weights = {group: each.tolist() for group, each in self.weights_.items()}
        usual = None if self.usual_ is None else self.usual_.to_json()
        save_state(self, folder, weights=weights, usual=usual)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        classifier.weights_ = {group: np.array(weights) for group, weights in state["weights"].items()}
        classifier.usual_ = Usual.from_json(state.get("usual"))  # which those of before did not ask for
        numbers = range(len(classifier._names))
        classifier.groups_ = {
            group: [families.load(folder / group / str(number)) for number in numbers]
            for group in state["weights"]
        }
        return classifier


def _logits(columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the logits of members' probabilities, (n, members)."""
    from scipy.special import logit

    return logit(np.clip(np.stack(columns, axis=1), 1e-9, 1 - 1e-9))


def _part(values: Any, rows: NDArray[np.intp]) -> Any:
    return None if values is None else np.asarray(values)[rows]


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw how members are put together, and what `any`, neighbours and study weigh."""
    return {
        "how": trial.suggest_categorical("how", ("mean", "stack")),
        "any": trial.suggest_float("any", 0.0, 1.0),
        "neighbours": trial.suggest_float("neighbours", 0.0, 1.0),
        "study": trial.suggest_float("study", 0.0, 0.6),
    }


DEFAULTS = {
    "members": {"boosted": {}, "lesions": {}, "sequence": {}, "transfer": {"mirrored": True}},
    "how": "mean",
    "any": 0.5,
    # 0.6 against the slice's 1.8, as in a public solution of the RSNA 2019 challenge.
    "neighbours": 1 / 3,
    "study": 0.3,
    "windows": "undone",
}


def _slice_bytes(params: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """Return what the most demanding member takes: they are fitted one after the other."""
    each = [
        families.slice_bytes(name, {**families.get(name).defaults, **(given or {})}, shape)
        for name, given in params["members"].items()
    ]
    return max(each)


FAMILY = Family(
    name="ensemble",
    title="Ensemble",
    defaults=DEFAULTS,
    build=Ensemble,
    suggest=suggest,
    load=Ensemble.load,
    default_trial={name: value for name, value in DEFAULTS.items() if name not in ("members", "windows")},
    tensorflow=True,
    study=True,
    labels=True,
    slice_bytes=_slice_bytes,
    tiny={
        "members": {
            "boosted": {"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5},
            "logreg": {},
        }
    },
)
