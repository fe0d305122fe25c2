"""The panel: the production classifiers of all labels as one registered model, built when one changes."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from packaging.version import Version

from hemo import console, tracking
from hemo.digests import DiffersError
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.registry import aliases, chain, gate_page, ledger, trusted
from hemo.registry.names import PANEL, PANEL_URI, model_name
from hemo.serving import (
    ALONE_RULE,
    ANY_RULE,
    OWN_RULE,
    STUDY_RULE,
    UNSURE_RULE,
    ServedPanel,
)
from hemo.serving.member import keep_digests
from hemo.synthetic import is_synthetic, synthetic_warning
from hemo.tracking import faults
from hemo.tracking.tags import FILES_DIGEST
from hemo.tracking.views import as_written, markdown_table


def production() -> dict[str, str]:
    """Return the production version of each label that has one."""
    found = aliases.all_current()
    versions = {label: found.get(model_name(label), {}).get("production") for label in LABELS}
    return {label: version for label, version in versions.items() if version}


def update(parent: str = "") -> str:
    """Make the production panel hold the production versions; return its version, empty where there are none.

    A panel that was built of the same versions before is used again, where it shows the same overrides.
    """
    members = production()
    history = aliases.settle(PANEL)
    now = chain.replay(history).get("production", "")
    if members == (members_of(now) if now else {}) and (not now or _override_of(now) == _override(members)):
        return now
    version = (_find(members) or _build(members, parent)) if members else ""
    files = tracking.client().get_model_version(PANEL, version).tags.get(FILES_DIGEST, "") if version else ""
    after = {"production": version, "previous": now}
    after = {alias: number for alias, number in after.items() if number}
    parts = [f"{label} version {number}" for label, number in members.items()]
    reason = ", ".join(parts) or "nothing in production"
    words = {"version": version, "reason": reason, "decided_in": parent, "files": files}
    aliases.move(PANEL, "panel", after, history, **words)
    return version


def members_of(version: str) -> dict[str, str]:
    """Return the versions of the classifiers that a panel version is made of."""
    return _members(tracking.client().get_model_version(PANEL, version))


def load(uri: str = PANEL_URI) -> ServedPanel:
    """Load a panel.

    Raises
    ------
    HemoError
        If there is none, it is another model, or a file of it is not as it was recorded.
    """
    try:
        loaded = trusted.load(uri).unwrap_python_model()
    except (mlflow.MlflowException, OSError) as fault:
        raise faults.no_model(uri, fault, "promote first, `hemo promote`") from None
    if not isinstance(loaded, ServedPanel):
        raise HemoError(
            f"{uri}: not a panel: give one like {PANEL_URI}, or try a single one with `hemo evaluate`"
        )
    if not loaded.tells_synthetic:
        drawn = synthetic_members({member.label: member.version for member in loaded.members})
        loaded.members = [replace(one, synthetic=one.label in drawn) for one in loaded.members]
    return loaded


def settle_all() -> None:
    """Complete what a killed process left and record what was done by hand, for all models and the panel."""
    with tracking.alone():
        aliases.settle_all([model_name(label) for label in LABELS])
        update()


def synthetic_members(members: Mapping[str, str]) -> list[str]:
    """Return the labels whose versions are made of synthetic data, by their tags; of none that is gone."""
    known = {label: aliases.versions(model_name(label)).get(number) for label, number in members.items()}
    return [label for label, one in known.items() if one is not None and is_synthetic(one.tags)]


def signature(members: Mapping[str, str]) -> ModelSignature:
    """Return what a panel takes and gives."""
    labels = [label for label in LABELS if label in members]
    output: list[ColSpec | TensorSpec] = []
    for label in labels:
        output += [
            ColSpec(DataType.double, f"{label}_probability"),
            ColSpec(DataType.boolean, f"{label}_decision"),
            ColSpec(DataType.string, f"{label}_version"),
            ColSpec(DataType.string, f"{label}_family"),
            ColSpec(DataType.double, f"{label}_threshold"),
            ColSpec(DataType.boolean, f"{label}_unsure", required=False),
        ]
    if "any" in members:
        output.append(ColSpec(DataType.double, "any_own_probability"))
    of_studies = [("study", DataType.string), ("why_not", DataType.string)]
    for label in labels:
        of_studies += [
            (f"study_{label}_probability", DataType.double),
            (f"study_{label}_decision", DataType.boolean),
            (f"study_{label}_slices", DataType.string),
            (f"study_{label}_unsure", DataType.boolean),
            (f"study_{label}_threshold", DataType.double),
        ]
    of_studies += [(f"study_{count}", DataType.long) for count in ("seen", "of", "excluded")]
    of_studies += [("study_stack", DataType.string), ("study_unsure", DataType.string)]
    output += [ColSpec(kind, name, required=False) for name, kind in of_studies]
    output += [
        ColSpec(DataType.string, "unsure"),
        ColSpec(DataType.boolean, "slice_only"),
        ColSpec(DataType.string, "unanswered"),
        ColSpec(DataType.boolean, "synthetic"),
        ColSpec(DataType.string, "error"),
        ColSpec(DataType.string, "panel_version"),
        ColSpec(DataType.string, "name"),
        ColSpec(DataType.boolean, "research_use_only"),
    ]
    given: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.binary, "image"),
        ColSpec(DataType.string, "study", required=False),
        ColSpec(DataType.string, "name", required=False),
    ]
    return ModelSignature(Schema(given), Schema(output))


def _find(members: Mapping[str, str]) -> str:
    """Return the newest panel version of exactly these members that is whole, or an empty text."""
    same = [v for v, one in aliases.versions(PANEL).items() if _members(one) == members]
    override = _override(members)
    shown = [v for v in same if _override_of(v) == override]
    return next((v for v in sorted(shown, key=int, reverse=True) if _whole(v)), "")


def _whole(version: str) -> bool:
    """Tell whether a panel's files are as they were recorded."""
    try:
        trusted.check(f"models:/{PANEL}/{version}")
    except DiffersError as fault:
        console.err.print(f"not used again: {fault}", style="bold red", soft_wrap=True)
        return False
    return True


def _override(members: Mapping[str, str]) -> str:
    """Return the reasons with which members are in production against the gate, as they stand now."""
    versions = {label: aliases.versions(model_name(label)).get(number) for label, number in members.items()}
    reasons = {label: one.tags.get("override", "") for label, one in versions.items() if one}
    return "; ".join(f"{label}: {reason}" for label, reason in reasons.items() if reason)


def _override_of(version: str) -> str:
    """Return the reasons that a panel version shows."""
    return str(tracking.client().get_model_version(PANEL, version).tags.get("override", ""))


def _members(panel: ModelVersion) -> dict[str, str]:
    return {label: panel.tags[label] for label in LABELS if label in panel.tags}


def _build(members: Mapping[str, str], parent: str) -> str:
    experiment = tracking.get_run(parent).experiment if parent else ledger.experiment()
    found = {
        label: tracking.client().get_model_version(model_name(label), number)
        for label, number in members.items()
    }
    tags = {"stage": "panel", "git_commit": tracking.git_commit()}
    override = _override(members)
    with (
        tempfile.TemporaryDirectory() as scratch,
        tracking.start_run(experiment, "panel", tags, parent or None) as run_id,
    ):
        info = _log(Path(scratch), found)
        mlflow.set_tag("mlflow.note.content", _note(found))
        with tracking.model_folder(info.model_uri) as folder:
            files = tracking.record(run_id, {}, tracking.model_files(folder))
    client = tracking.client()
    if aliases.registered(PANEL) is None:
        what = (
            "The production classifiers of all labels as one model, built anew when one of them changes. "
            f"Served by `mlflow models serve -m {PANEL_URI} --env-manager local`; `hemo predict` uses the "
            "same.\n\n"
        )
        client.create_registered_model(
            PANEL, description=f"{what}{ANY_RULE} {OWN_RULE}\n\n{STUDY_RULE}\n\n{ALONE_RULE}\n\n{UNSURE_RULE}"
        )
    version = client.create_model_version(
        PANEL, f"models:/{info.model_id}", run_id,
        {
            **members,
            FILES_DIGEST: files,
            **({"override": override} if override else {}),
            **({"synthetic": "true"} if synthetic_members(members) else {}),
        },
        description=_note(found), model_id=info.model_id,
    )  # fmt: skip
    return str(version.version)


def _log(scratch: Path, members: Mapping[str, ModelVersion]) -> ModelInfo:
    facts = []
    requirements: dict[str, str] = {}
    folder = scratch / "panel"
    for label, version in members.items():
        uri = f"models:/{version.name}/{version.version}"
        with tracking.model_copy(uri, trusted.known(uri)) as model:
            shutil.copytree(model / "artifacts" / "classifier", folder / label)
            required = (model / "requirements.txt").read_text().split()
        served = json.loads((folder / label / "served.json").read_text())
        kept = keep_digests(folder / label)
        known = {"version": str(version.version), "override": version.tags.get("override", "")}
        drawn = {"synthetic": is_synthetic(version.tags) or served.get("synthetic", False)}
        facts.append({"label": label, "run_id": version.run_id, **known, **served, **drawn, "files": kept})
        for line in required:
            name, _, number = line.partition("==")
            requirements[name] = max(requirements.get(name, ""), number, key=_release)
    missing = [label for label in LABELS if label not in members]
    (folder / "panel.json").write_text(json.dumps({"members": facts, "missing": missing}, indent=2))
    package = Path(__file__).parents[1]
    return mlflow.pyfunc.log_model(
        name="panel",
        python_model=str(package / "serving" / "panel_code.py"),
        artifacts={"panel": str(folder)},
        code_paths=[str(package)],
        pip_requirements=[f"{name}=={number}" if number else name for name, number in requirements.items()],
        signature=signature({label: str(version.version) for label, version in members.items()}),
        metadata={"members": {label: str(version.version) for label, version in members.items()}},
    )


def _release(number: str) -> Version:
    return Version(number or "0")


def _note(members: Mapping[str, ModelVersion]) -> str:
    rows = [
        (label, one.version, one.tags.get("family", ""), _overridden(one))
        if (one := members.get(label))
        else (label, "none in production", "", "")
        for label in LABELS
    ]
    table = markdown_table(("label", "version", "family", ""), rows)
    against = [label for label, one in members.items() if one.tags.get("override")]
    red = f"{', '.join(against)}: in production against the gate. " if against else ""
    drawn = [label for label, one in members.items() if is_synthetic(one.tags)]
    words = f"{red}Classifiers of {len(members)} labels in one. Research use only."
    if drawn:  # first: the list of versions shows the beginning
        words = f"**SYNTHETIC.** {synthetic_warning(drawn)}. {words}"
    return f"{words}\n\n{ANY_RULE} {STUDY_RULE} {ALONE_RULE}\n\n{table}"


def _overridden(version: ModelVersion) -> str:
    reason = version.tags.get("override", "")
    mark = gate_page.red_mark(version.run_id or "")
    return f"{mark} gate overridden: {as_written(reason)}" if reason else ""
