"""What the registry holds at one moment, and whether hemo's records tell the same.

An SQLite database is read as it lies: loading MLflow, only to ask it, takes longer than people wait for an
answer. Whatever else the tracking store is, MLflow is asked.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hemo.labels import LABELS
from hemo.registry import chain
from hemo.registry.chain import ALIASES, Aliases, Record
from hemo.registry.names import EXPERIMENT, PANEL, model_name

DATABASE = "sqlite:///mlflow.db"
"""The tracking store where nothing is set, as MLflow has it."""

PATIENCE = 4.0
"""Seconds to wait for another process that writes to the database."""


@dataclass(frozen=True)
class Standing:
    """What was decided, and what MLflow's registry says.

    Attributes
    ----------
    histories
        The records of each registered model that has some, oldest first.
    aliases
        Those that mean something here, of each registered model.
    tags
        Of each version that was not deleted: model to version to tags.
    """

    histories: Mapping[str, list[Record]]
    aliases: Mapping[str, Aliases]
    tags: Mapping[str, Mapping[str, Mapping[str, str]]]

    def is_settled(self, model: str) -> bool:
        """Tell whether no decision about a model was left open, and none was made outside hemo."""
        history = self.histories.get(model, [])
        is_open = any(record.state == "open" for record in history)
        return not is_open and chain.replay(history) == self.aliases.get(model, {})

    def panel_is_current(self) -> bool:
        """Tell whether the panel in production holds the versions in production, with their overrides."""
        versions = {label: self.aliases.get(model_name(label), {}).get("production") for label in LABELS}
        members = {label: version for label, version in versions.items() if version}
        panel = self.tags.get(PANEL, {}).get(self.aliases.get(PANEL, {}).get("production", ""), {})
        if {label: panel[label] for label in LABELS if label in panel} != members:
            return False
        reasons = {label: self.overrides(model_name(label)).get(one) for label, one in members.items()}
        shown = "; ".join(f"{label}: {reason}" for label, reason in reasons.items() if reason)
        return panel.get("override", "") == shown

    def overrides(self, model: str) -> dict[str, str]:
        """Return the versions of a model that a person let pass against the gate, with the reasons."""
        reasons = {version: tags.get("override", "") for version, tags in self.tags.get(model, {}).items()}
        return {version: reason for version, reason in reasons.items() if reason}


def now() -> Standing:
    """Return what the registry holds; a database that cannot be read as it lies is MLflow's to answer for."""
    file = database()
    if file is not None and _is_all():
        try:
            return _read(file)
        except (sqlite3.Error, ValueError, KeyError, TypeError):
            pass  # of another version of MLflow, locked, damaged: MLflow says what
    return _asked()


def database() -> Path | None:
    """Return the file of the tracking store, by the environment, where it is an SQLite database."""
    kind, _, name = address().partition(":///")
    return Path(name) if kind == "sqlite" and name else None


def address() -> str:
    """Return the tracking store's address, by the environment."""
    return os.environ.get("MLFLOW_TRACKING_URI", DATABASE)


def _is_all() -> bool:
    """Tell whether the registry is where the runs are, and has no workspaces."""
    runs, models = (os.environ.get(f"MLFLOW_{name}_URI") for name in ("TRACKING", "REGISTRY"))
    return (not models or models == runs) and not os.environ.get("MLFLOW_ENABLE_WORKSPACES")


def _read(file: Path) -> Standing:
    """Read what is needed from MLflow's tables; what was deleted is left out, but no record is."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as stored:
        runs: dict[str, tuple[str, dict[str, str]]] = {}
        for run, status, key, value in stored.execute(
            "SELECT run_uuid, status, key, value FROM runs JOIN experiments USING (experiment_id) "
            "JOIN tags USING (run_uuid) WHERE experiments.name = ?",
            (EXPERIMENT,),
        ):
            runs.setdefault(run, (status, {}))[1][key] = value
        aliases: dict[str, dict[str, str]] = {}
        for model, alias, version in stored.execute(
            "SELECT name, alias, version FROM registered_model_aliases WHERE name LIKE 'hemo-%'"
        ):
            aliases.setdefault(model, {})[alias] = str(version)
        tags: dict[str, dict[str, dict[str, str]]] = {}
        for model, version, key, value in stored.execute(
            "SELECT name, version, key, value FROM model_versions LEFT JOIN model_version_tags "
            "USING (name, version) WHERE name LIKE 'hemo-%' AND current_stage <> 'Deleted_Internal'"
        ):
            found = tags.setdefault(model, {}).setdefault(str(version), {})
            found |= {key: value} if key else {}
    audited = [(run, status, of) for run, (status, of) in runs.items() if of.get("stage") == "audit"]
    return Standing(chain.histories(audited), {model: _known(one) for model, one in aliases.items()}, tags)


def _asked() -> Standing:
    """Ask MLflow for the same."""
    from hemo.registry import aliases, ledger
    from hemo.tracking import reachable

    reachable.check()
    versions = {model: aliases.versions(model) for model in map(model_name, (*LABELS, "panel"))}
    tags = {model: {number: one.tags for number, one in found.items()} for model, found in versions.items()}
    return Standing(ledger.all_records(), aliases.all_current(), tags)


def _known(found: Aliases) -> Aliases:
    return {alias: found[alias] for alias in ALIASES if alias in found}
