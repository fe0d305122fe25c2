"""Promote the best classifier of each label through the gate, and go back."""

from collections.abc import Sequence

import mlflow
import pandas as pd

from hemo import console, families, tracking
from hemo.comparison import runs
from hemo.config import Experiment
from hemo.digests import DiffersError
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.registry import aliases, chain, gate_page, ledger, panel, registration, trusted
from hemo.registry.candidates import Judgement, judge
from hemo.registry.names import model_name
from hemo.tracking import leading
from hemo.tracking.tags import FILES_DIGEST
from hemo.whole import csv_text

RESULT = ("label", "family", "decision", "production", "reason", "run_id")
"""Columns of what `promote` returns. `decision`: promoted, overridden, refused, challenger or kept."""


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
                console.step(f"{label}: asking the gate")
                rows.append(_judge_and_decide(config, label, run_id, deciding, override))
        finally:
            console.step("the panel: bringing it up to date")
            with tracking.alone():
                panel.update(deciding)  # what was promoted before a fault is in production
        table = _table(rows, labels)
        mlflow.log_text(csv_text(table), tracking.DECISIONS)
        judged = {label: tracking.get_run(run_id).metrics for label, run_id in chosen.items()}
        tracking.log_metrics(deciding, leading.mean_recalls(judged))
        mlflow.set_tag("mlflow.note.content", gate_page.summary(table, judged, deciding))
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
    judgements, rows = [], []
    for label, run_id in _best(experiment, labels).items():
        try:
            judged = judge(config, label, run_id)
        except DiffersError as fault:
            rows.append(_row_of(label, tracking.get_run(run_id), "would be refused", str(fault)))
            continue
        judgements.append(judged)
        decision = "would pass" if judged.verdict.passed else "would be refused"
        rows.append(_row(judged, "kept" if judged.incumbent and judged.incumbent.same_run else decision))
    return _table(rows, labels), judgements


def _judge_and_decide(
    config: Experiment, label: str, run_id: str, deciding: str, override: str
) -> dict[str, str]:
    """Judge a candidate and carry the verdict out; return its row of the table.

    What is not as it was recorded is refused, and stops no other label. Where another process decided about
    the label while this one judged, the candidate is judged again.
    """
    model = model_name(label)
    aliases.settle(model)
    try:
        judged = judge(config, label, run_id)
        with tracking.alone():
            now = chain.replay(aliases.settle(model)).get("production")
            if now != (judged.incumbent.version if judged.incumbent else None):
                judged = judge(config, label, run_id)
            return _row(judged, decide(judged, deciding, override), override)
    except DiffersError as fault:
        run = tracking.get_run(run_id)
        with tracking.alone():
            history = aliases.settle(model)
            words = {"family": run.word, "run_id": run_id, "decided_in": deciding, "reason": str(fault)}
            aliases.move(model, "refuse", chain.replay(history), history, **words)
        return _row_of(label, run, "refused", str(fault))


def rollback(label: str, reason: str = "") -> chain.Record:
    """Put the version that was in production before back; what was in production becomes `previous`.

    Raises
    ------
    HemoError
        If there is nothing to go back to, or its files are not as they were recorded.
    """
    with tracking.alone():
        record = _roll_back(label, reason)
        panel.update()
    return record


def _roll_back(label: str, reason: str) -> chain.Record:
    model = model_name(label)
    history = aliases.settle(model)
    now = chain.replay(history)
    if "previous" not in now or now["previous"] == now.get("production"):
        raise HemoError(f"{label}: nothing to go back to: no other version was in production before")
    after = {**now, "production": now["previous"]}
    del after["previous"]
    if "production" in now:
        after["previous"] = now["production"]
    trusted.check(f"models:/{model}/{now['previous']}")
    version = aliases.versions(model)[now["previous"]]
    return aliases.move(
        model, "rollback", after, history, version=str(version.version),
        family=families.word_of(version.tags), reason=reason or "no reason given",
        run_id=version.run_id or "", files=version.tags.get(FILES_DIGEST, ""),
    )  # fmt: skip


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

    Raises
    ------
    DiffersError
        If a file of a run that is to be registered is not as it was recorded.
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
    registration.attach_report(judged, deciding, decision, override)
    history = ledger.records(model)
    now = chain.replay(history)
    words = {
        "family": run.word, "run_id": run.run_id, "decided_in": deciding,
        "files": run.tags.get(FILES_DIGEST, ""),
    }  # fmt: skip
    if not goes and not verdict.sound:
        aliases.move(model, "refuse", now, history, reason=verdict.reason, **words)
        return decision
    trusted.check_run(run)
    version = registration.register(judged, decision, deciding, override if overridden else "")
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


def _row(judged: Judgement, decision: str, override: str = "") -> dict[str, str]:
    reason = "in production already" if decision == "kept" else judged.verdict.reason
    if decision == "overridden":
        reason = f"{override} (the gate: {reason})"
    return _row_of(judged.label, judged.run, decision, reason)


def _row_of(label: str, run: tracking.Run, decision: str, reason: str) -> dict[str, str]:
    return {
        "label": label,
        "family": run.word,
        "decision": decision,
        "production": aliases.current(model_name(label)).get("production", "none"),
        "reason": reason,
        "run_id": run.run_id,
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
