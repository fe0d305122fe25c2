"""What a record of the audit says, and what a chain of them leads to; no MLflow, which keeps them."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ALIASES = ("production", "previous", "challenger")
"""The aliases that mean something here; others are left alone."""

Aliases = Mapping[str, str]
"""Alias to version, such as {"production": "3"}."""


@dataclass(frozen=True)
class Record:
    """One decision, or one observation of what was done by hand.

    Attributes
    ----------
    number
        Place in the history of its model, from 1.
    model
        Registered model: `hemo-any`, ..., or `hemo-panel`.
    action
        `promote`, `override`, `refuse`, `rollback`, `panel` or `by hand`.
    before, after
        Aliases before and after it.
    version, family
        What was decided on; empty where it was never registered.
    reason
        Why, in words.
    run_id
        Training run that was decided on.
    decided_in
        Run that made the decision and holds the gate's report.
    files
        Digest of what the training run recorded of its files and model (see `hemo.tracking.recorded`); empty
        where nothing was decided on, or nothing recorded.
    by, at
        Who, and when (seconds since 1970).
    chain
        Digest of the record before.
    state
        `open` (being carried out), `done` or `undone`.
    audit_id
        The run that is this record.
    """

    number: int
    model: str
    action: str
    before: dict[str, str]
    after: dict[str, str]
    version: str = ""
    family: str = ""
    reason: str = ""
    run_id: str = ""
    decided_in: str = ""
    by: str = ""
    at: float = 0.0
    commit: str = ""
    chain: str = ""
    files: str = ""
    state: str = field(default="open", compare=False)
    audit_id: str = field(default="", compare=False)
    owner: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of what the record says."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()

    @property
    def overridden(self) -> bool:
        """Whether a person let it pass although the gate refused it."""
        return self.action == "override"


def replay(history: Sequence[Record]) -> dict[str, str]:
    """Return the aliases that a history leads to."""
    done = [record for record in history if record.state == "done"]
    return done[-1].after if done else {}


def faults(history: Sequence[Record]) -> list[str]:
    """Return what is wrong with a history: records missing, changed or not following from another."""
    found: list[str] = []
    state: dict[str, str] = {}
    chain = ""
    for place, record in enumerate(history, 1):
        if record.number != place:
            return [*found, f"record {place} is missing or twice: the history is not complete"]
        if record.chain != chain:
            found.append(f"record {place - 1} was changed after it was written")
        if record.state == "done":
            if record.before != state:
                found.append(f"record {place} does not follow from those before it")
            state = record.after
        chain = record.digest
    return found


def to_json(record: Record) -> str:
    """Return what a record says as text: the tag `record` of its run."""
    said = {
        name: getattr(record, name)
        for name in record.__dataclass_fields__
        if name not in ("state", "audit_id", "owner")
    }
    if not record.files:
        del said["files"]  # so that records of before it was known keep their digests
    return json.dumps(said, sort_keys=True)


def histories(runs: Iterable[tuple[str, str, Mapping[str, str]]]) -> dict[str, list[Record]]:
    """Return the history of every registered model that has one, oldest first; what was withdrawn is none.

    Parameters
    ----------
    runs
        Id, status and tags of each run that is a record.
    """
    found: dict[str, list[Record]] = {}
    kept = [of_run(*run) for run in runs if "withdrawn" not in run[2]]
    for record in sorted(kept, key=lambda record: record.number):
        found.setdefault(record.model, []).append(record)
    return found


def of_run(run_id: str, status: str, tags: Mapping[str, str]) -> Record:
    """Return the record that a run is."""
    state = {"RUNNING": "open", "FINISHED": "done"}.get(status, "undone")
    return Record(**json.loads(tags["record"]), state=state, audit_id=run_id, owner=tags["owner"])


def when(seconds: float) -> str:
    """Return a time for people, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
