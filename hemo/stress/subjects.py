"""What is judged: a training run out of fold or on its held-out patients, a version on data not its own."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from hemo import config, console, families, tracking
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.external.validate import load_members
from hemo.imaging import Reduction
from hemo.runs import reproduce
from hemo.runs.planning import make_plan
from hemo.serving import Member
from hemo.slices.pseudonyms import key_path
from hemo.slices.split import rounds
from hemo.slices.store import SliceStore
from hemo.stress.judging import Judge
from hemo.stress.pictures import Shown
from hemo.tracking import Run, trained_on
from hemo.training import Training
from hemo.training.rounds import fit_round

GAP: Final = 0.01
"""Difference of probability between a fold's classifier and the run's from which it is told."""


@dataclass(frozen=True)
class Subject:
    """A classifier that is to be judged.

    Attributes
    ----------
    label, family, version
        Which one it is; no version of a run.
    reduction
        How its slices are made.
    run
        The run that trained it; None where that is not known.
    member
        The classifier as it is served; None of a run.
    store
        What the run was trained on, where the data are its own; None: it is judged as it is served.
    """

    label: str
    family: str
    version: str
    reduction: Reduction
    run: Run | None
    member: Member | None
    store: SliceStore | None = None

    @property
    def name(self) -> str:
        """What it is called: `boosted/any`."""
        return f"{self.family}/{self.label}"


def of_run(run_id: str, store: Path | None = None) -> Subject:
    """Return a training run as what is judged on its own data.

    Raises
    ------
    HemoError
        If it is no training run, or its store is not at hand.
    """
    run = tracking.get_run(run_id)
    if run.tags.get("stage") != "train":
        raise HemoError(f"{run_id}: not a training run: give one with the tag stage=train, or a model's URI")
    found = trained_on.opened(run, store) if store else trained_on.find(run)
    return Subject(run.label, run.word, "", found.reduction, run, None, found)


def of_model(uri: str) -> list[Subject]:
    """Return the classifiers of a registered version or of the panel.

    Raises
    ------
    HemoError
        If there is no such model, or it is none of hemo's.
    """
    found = []
    for member, run_id in load_members(uri):
        run = tracking.get_run(run_id) if run_id else None
        found.append(Subject(member.label, member.family, member.version, member.reduction, run, member))
    return found


def on_own_data(subject: Subject, of: Shown) -> Subject:
    """Return what is judged, with its run's store where slices of the data are among those learned from."""
    store = own_store(subject)
    if store is None or not of.called_as_in(store)["slice_id"].isin(store.index["slice_id"]).any():
        return subject
    return replace(subject, store=store)


def own_store(subject: Subject) -> SliceStore | None:
    """Return the store that a classifier was trained on; None where it is not at hand."""
    if subject.store or subject.run is None:
        return subject.store
    try:
        return trained_on.find(subject.run)
    except HemoError:
        return None


def key_of(store: SliceStore | None, images: Path) -> Path | None:
    """Return the key by which slices of a store are found again among the images; None: any will do."""
    if store is None:
        return None
    key = key_path(store.folder)
    if not key.is_file():
        raise HemoError(
            f"{key}: the key of the run's store is gone, by which its slices are found in {images}: put it "
            "back"
        )
    return key


def judges(subject: Subject, of: Shown, folder: Path) -> list[Judge]:
    """Return who judges which slices, so that nobody judges what it learned from.

    Parameters
    ----------
    subject
        What is judged.
    of
        The slices.
    folder
        Where classifiers are written to.

    Raises
    ------
    HemoError
        If no slice can be judged so.
    """
    if subject.store is None:
        return [_as_served(subject, of, folder)]
    assert subject.run is not None
    run = subject.run
    if not run.protocol.by_patient:
        raise HemoError(
            f"{run.run_id}: split by slice: nothing it says holds for new patients, nor under a change"
        )
    table = predictions.with_deals(tracking.load_predictions(run.run_id))
    table = table[table["part"] == "test"].reset_index(drop=True)
    if table.empty:
        raise HemoError(f"{run.run_id}: judges studies only, as its labels are: changes are judged by slice")
    known = of.called_as_in(subject.store)["slice_id"]
    if missing := int((~table["slice_id"].isin(known)).sum()):
        raise HemoError(
            f"--images: {missing:,} of the {len(table):,} slices that the run was tested on are not among "
            "them: give the scans that its store was made of"
        )
    if not run.protocol.refits:
        member = subject.member or tracking.load_model(run.model_uri).unwrap_python_model().member
        return [Judge(_written(member, folder), table, _calibration(member))]
    return _fold_by_fold(subject, table, folder)


def _as_served(subject: Subject, of: Shown, folder: Path) -> Judge:
    """Return a classifier as it is served, with all slices that have its label."""
    assert subject.member is not None
    member, index = subject.member, of.store.index
    known = index[index[subject.label] >= 0]
    if known[subject.label].nunique() < 2:
        raise HemoError(f"{subject.label}: no slices of both kinds: give a table that has some")
    table = known[["slice_id", "patient", "study"]].assign(
        part="test", fold=-1, truth=known[subject.label], probability=0.0, **member.at._asdict()
    )
    return Judge(_written(member, folder), predictions.validate(table), _calibration(member))


def _written(member: Member, folder: Path) -> Path:
    families.save(member.classifier, member.family, folder / "served")
    return folder / "served"


def _calibration(member: Member) -> str:
    return json.dumps(member.calibrator.to_json()) if member.calibrator else ""


def _fold_by_fold(subject: Subject, table: pd.DataFrame, folder: Path) -> list[Judge]:
    """Fit the classifiers of a run's folds again, each of which judges the fold that it has not seen."""
    run, store = subject.run, subject.store
    assert run is not None
    assert store is not None
    word, params = run.word, run.params
    if families.get(run.tags["family"]).together:
        raise HemoError(
            f"{run.run_id}: {word} learns all labels at once, and its folds are not fitted again: train it "
            "under protocol holdout, whose classifier is judged on the patients that it was tested on"
        )
    if params.get("train.calibration", "none") != "none":
        raise HemoError(
            f"{run.run_id}: calibrated fold by fold, and the folds' calibrations are not kept: train it with "
            "calibration: none, or under protocol holdout"
        )
    words = reproduce.settings(run, store.folder, table["fold"].nunique())
    settings = config.load(None, words)
    plan = make_plan(settings, store)
    if plan.split_digest != run.tags["split_digest"]:
        raise HemoError(f"{run.run_id}: its patients are dealt otherwise by this hemo: train it again")
    training = Training(store, plan, word, run.label, settings.families[word])
    assert plan.split is not None
    found = []
    asked = rounds(plan.split, store.index)
    for one in console.track(asked, f"{subject.name}: folds", len(asked)):
        fitted = fit_round(training, one, [], kept=False)
        place = folder / f"{one.repeat}_{one.fold}"
        families.save(fitted.classifier, training.family, place)
        of_fold = (table["fold"] == one.fold) & (table["repeat"] == one.repeat)
        found.append(Judge(place, table[of_fold]))
    return found
