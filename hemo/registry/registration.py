"""What a decision leaves with a candidate: the gate's report, a model card, a registered version."""

import tempfile
from pathlib import Path

import pandas as pd

from hemo import tracking
from hemo.registry import aliases, card, gate_page, stressed
from hemo.registry.candidates import Judgement, model_uri
from hemo.registry.names import model_name
from hemo.tracking.tags import FILES_DIGEST

CARRIED = (
    "family", "variant", "label", "data_digest", "split_digest", "protocol", "dataset", "synthetic",
    "git_commit", "seed", FILES_DIGEST,
)  # fmt: skip
"""Tags of a training run that its version carries."""


def attach_report(judged: Judgement, deciding: str, decision: str, override: str) -> None:
    """Leave the gate's report with the run that decides and with the candidate's."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        gate_page.write(folder, judged.label, judged.run.name, judged.verdict, decision, override)
        for run_id in (deciding, judged.run.run_id):
            tracking.client().log_artifacts(run_id, scratch, "gate")


def _attach_card(judged: Judgement, override: str) -> None:
    run = judged.run
    tried = stressed.newest(run.run_id)
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
        groups=tracking.artifact(run.run_id, tracking.SUBGROUPS, pd.read_csv),
        stress=None if tried is None else tried.table,
    )
    with tempfile.TemporaryDirectory() as scratch:
        card.write(Path(scratch), facts, judged.tested)
        tracking.client().log_artifacts(run.run_id, scratch, "card")


def register(judged: Judgement, decision: str, deciding: str, override: str) -> str:
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
