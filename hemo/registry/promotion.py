"""Promote the best classifier of each label through the gate, and go back."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pandas as pd

from hemo import console, tracking
from hemo.comparison import runs
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.registry import aliases, card, gate_page, ledger, panel
from hemo.registry.candidates import Judgement, judge, model_uri
from hemo.registry.names import model_name
from hemo.tracking import family_word
from hemo.whole import csv_text

RESULT = ("label", "family", "decision", "production", "reason", "run_id")
"""Columns of what `promote` returns. `decision`: promoted, overridden, refused, challenger or kept."""

CARRIED = (
    "family", "variant", "label", "data_digest", "split_digest", "protocol", "dataset", "synthetic",
    "git_commit", "seed",
)  # fmt: skip
"""Tags of a training run that its version carries."""


def promote(
    config: Experiment,
    experiment: str,
    parent: str | None = None,
    *,
    labels: Sequence[str] = LABELS,
    override: str = "",
) -> pd.DataFrame:
    """Put the best family of each label through the gate, and into production where it passes.

    Parameters
    ----------
    config : Experiment
        With the gate's conditions.
    experiment : str
        Id of the MLflow experiment whose newest training runs are the candidates.
    parent : str, optional
        Run below which the run `promotion` is made.
    labels : sequence of str
        Labels to decide about.
    override : str
        A person's reason to promote although the gate refuses; recorded and shown with the version.

    Returns
    -------
    DataFrame
        A row a label, columns `RESULT`.
    """
    chosen = _best(experiment, labels)
    tags = {"stage": "promotion", "git_commit": tracking.git_commit()}
    rows = []
    with tracking.run_below(experiment, "promotion", tags, parent) as deciding:
        try:
            for label, run_id in chosen.items():
                aliases.settle(model_name(label))
                judged = judge(config, label, run_id)
                rows.append(_row(judged, decide(judged, deciding, override), override))
        finally:
            panel.update(deciding)  # what was promoted before a fault is in production
        table = _table(rows, labels)
        mlflow.log_text(csv_text(table), "gate/decisions.csv")
        mlflow.set_tag("mlflow.note.content", gate_page.summary(table, deciding))
    return table


def rehearse(
    config: Experiment, experiment: str, labels: Sequence[str] = LABELS
) -> tuple[pd.DataFrame, list[Judgement]]:
    """Judge the candidates as `promote` would, but write and move nothing.

    Returns
    -------
    table : DataFrame
        As `promote` returns it; `decision` is `would pass`, `would be refused` or `kept`.
    judgements : list of Judgement
        All conditions of each.
    """
    judgements = [judge(config, label, run_id) for label, run_id in _best(experiment, labels).items()]
    rows = []
    for judged in judgements:
        decision = "would pass" if judged.verdict.passed else "would be refused"
        rows.append(_row(judged, "kept" if judged.incumbent and judged.incumbent.same_run else decision))
    return _table(rows, labels), judgements


def rollback(label: str, reason: str = "") -> ledger.Record:
    """Put the version that was in production before back; what was in production becomes `previous`.

    Raises
    ------
    HemoError
        If there is nothing to go back to.
    """
    model = model_name(label)
    history = aliases.settle(model)
    now = ledger.replay(history)
    if "previous" not in now or now["previous"] == now.get("production"):
        raise HemoError(f"{label}: nothing to go back to: no other version was in production before")
    after = {**now, "production": now["previous"]}
    del after["previous"]
    if "production" in now:
        after["previous"] = now["production"]
    version = aliases.versions(model)[now["previous"]]
    record = aliases.move(
        model, "rollback", after, history, version=str(version.version),
        family=family_word(version.tags), reason=reason or "no reason given",
        run_id=version.run_id or "",
    )  # fmt: skip
    panel.update()
    return record


def settle_all() -> None:
    """Complete what a killed process left and record what was done by hand, for all models and the panel."""
    aliases.settle_all([model_name(label) for label in LABELS])
    panel.update()


def promote_and_print(config: Experiment, experiment: str, parent: str | None = None) -> pd.DataFrame:
    """Promote, and print the decisions."""
    table = promote(config, experiment, parent)
    console.out.print(gate_page.decisions(table))
    return table


def _best(experiment: str, labels: Sequence[str]) -> dict[str, str]:
    """Return the training run of the best family of each label."""
    board = runs.compare(experiment).leaderboard
    best = board[board["best"] & board["label"].isin(labels)]
    return {str(row.label): str(row.run_id) for row in best.itertuples()}


def decide(judged: Judgement, deciding: str, override: str) -> str:
    """Carry out a verdict: register, move aliases, leave report and record.

    Parameters
    ----------
    judged : Judgement
        The candidate with the gate's verdict.
    deciding : str
        Run that holds the report.
    override : str
        A person's reason to promote against the gate; empty: none.

    Returns
    -------
    str
        `promoted`, `overridden`, `challenger`, `refused`, or `kept` where it is in production already.
    """
    model, verdict, run = model_name(judged.label), judged.verdict, judged.run
    if judged.incumbent and judged.incumbent.same_run:
        return "kept"
    overridden = bool(override) and not verdict.passed and verdict.can_override
    goes = verdict.passed or overridden
    if overridden:
        decision = "overridden"
    elif verdict.passed:
        decision = "promoted"
    else:
        decision = "challenger" if verdict.sound else "refused"
    _attach_report(judged, deciding, decision, override)
    history = ledger.records(model)
    now = ledger.replay(history)
    words = {"family": run.word, "run_id": run.run_id, "decided_in": deciding}
    if not goes and not verdict.sound:
        aliases.move(model, "refuse", now, history, reason=verdict.reason, **words)
        return decision
    version = _register(judged, decision, deciding, override if overridden else "")
    if not goes:
        after = {**now, "challenger": version}
        aliases.move(model, "refuse", after, history, version=version, reason=verdict.reason, **words)
        return decision
    after = {"production": version}
    if now.get("production"):
        after["previous"] = now["production"]
    if now.get("challenger") not in (None, version):
        after["challenger"] = now["challenger"]
    action = "override" if overridden else "promote"
    reason = f"{override} (the gate: {verdict.reason})" if overridden else verdict.reason
    aliases.move(model, action, after, history, version=version, reason=reason, **words)
    return decision


def _attach_report(judged: Judgement, deciding: str, decision: str, override: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        gate_page.write(folder, judged.label, judged.run.name, judged.verdict, decision, override)
        for run_id in (deciding, judged.run.run_id):
            tracking.client().log_artifacts(run_id, scratch, "gate")


def _attach_card(judged: Judgement, override: str) -> None:
    run = judged.run
    facts = card.Facts(
        label=judged.label,
        family=run.title,
        tags=run.tags,
        params=run.params,
        data=judged.data,
        threshold=run.metrics.get("threshold"),
        study_threshold=run.metrics.get("study_threshold"),
        negative_below=run.metrics.get("negative_below"),
        study_negative_below=run.metrics.get("study_negative_below"),
        run_id=run.run_id,
        versions=tracking.versions(),
        override=override,
        agreement=tracking.artifact(run.run_id, tracking.AGREEMENT, pd.read_csv),
    )
    with tempfile.TemporaryDirectory() as scratch:
        card.write(Path(scratch), facts, judged.tested)
        tracking.client().log_artifacts(run.run_id, scratch, "card")


def _register(judged: Judgement, decision: str, deciding: str, override: str) -> str:
    """Return the version of a run's model, registered where it is not yet, with tags and description."""
    client, model, run = tracking.client(), model_name(judged.label), judged.run
    if aliases.registered(model) is None:
        client.create_registered_model(model, description=gate_page.about(judged.label, model))
    point_of = run.metrics.get("threshold", run.metrics.get("study_threshold", float("nan")))
    tags = {"gate": decision, "threshold": f"{point_of:.6g}", "level": judged.verdict.level}
    for name in ("recall", "specificity", "auc"):
        point, low, high = judged.verdict[name]
        bounds = f"{low:.2f}-{high:.2f}".replace("0.", ".")  # short: the UI cuts tags off
        tags[name] = f"{point:.2f} ({bounds})"
    tags |= {name: run.tags[name] for name in CARRIED if name in run.tags}
    tags["decided_in"] = deciding
    if override:
        tags["override"] = override
    _attach_card(judged, override)
    description = gate_page.description(judged.label, run, judged.verdict, decision, override, deciding)
    known = [v for v in aliases.versions(model).values() if v.run_id == run.run_id]
    if known:
        newest = max(known, key=lambda v: int(v.version))
        number = str(newest.version)
        for name, value in tags.items():
            if newest.tags.get(name) != value:
                client.set_model_version_tag(model, number, name, value)
        if decision == "promoted" and "override" in newest.tags:
            client.delete_model_version_tag(model, number, "override")
        client.update_model_version(model, number, description)
        return number
    uri = model_uri(run)
    created = client.create_model_version(
        model, uri, run.run_id, tags, description=description, model_id=uri.removeprefix("models:/")
    )
    return str(created.version)


def _row(judged: Judgement, decision: str, override: str = "") -> dict[str, str]:
    reason = "in production already" if decision == "kept" else judged.verdict.reason
    return {
        "label": judged.label,
        "family": judged.run.word,
        "decision": decision,
        "production": aliases.current(model_name(judged.label)).get("production", "none"),
        "reason": f"{override} (the gate: {reason})" if decision == "overridden" else reason,
        "run_id": judged.run.run_id,
    }


def _table(rows: Sequence[dict[str, str]], labels: Sequence[str]) -> pd.DataFrame:
    decided = {row["label"] for row in rows}
    none = [
        {"label": label, "family": "", "decision": "no candidate", "reason": "no training run", "run_id": ""}
        | {"production": aliases.current(model_name(label)).get("production", "none")}
        for label in labels
        if label not in decided
    ]
    table = pd.DataFrame([*rows, *none], columns=list(RESULT))
    return table.sort_values("label", key=lambda column: column.map(LABELS.index), ignore_index=True)
