"""The audit: every decision about what is in production, append-only, as runs of one MLflow experiment.

MLflow moves aliases silently and keeps no history, so the history is kept here. A record is a run in the
experiment `hemo-registry`, tagged with what the aliases were before and are after; it is written before
the aliases move and closed when they have moved, so that a process that dies in between is noticed. The
records of a model form a chain: each names the digest of the one before, and replaying them gives the
present state. Runs deleted in the UI are still read.
"""

import getpass
import socket
import time
from collections.abc import Sequence

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from hemo import liveness, tracking
from hemo.registry import chain
from hemo.registry.chain import Aliases, Record
from hemo.registry.names import EXPERIMENT
from hemo.tracking import views
from hemo.tracking.views import as_written

NOTE = (
    "What went into production, what was refused, and why: a run a decision, written by hemo and read by "
    "`hemo registry` and `hemo history LABEL`. Add, change or delete nothing here."
)

ABANDONED_SECONDS = 600
"""An open record of another machine counts as dead after this: a decision takes seconds."""


def records(model: str) -> list[Record]:
    """Return the history of a registered model, oldest first."""
    return _search(f" and tags.model = '{model}'").get(model, [])


def all_records() -> dict[str, list[Record]]:
    """Return the history of every registered model that has one, oldest first."""
    return _search("")


def _search(narrower: str) -> dict[str, list[Record]]:
    found = tracking.client().get_experiment_by_name(EXPERIMENT)
    if found is None:
        return {}
    runs: list[Run] = []
    token = None
    where, what = [found.experiment_id], "tags.stage = 'audit'" + narrower
    while True:
        page = tracking.client().search_runs(where, what, ViewType.ALL, 1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return chain.histories((run.info.run_id, run.info.status, run.data.tags) for run in runs)


def write(
    model: str,
    action: str,
    before: Aliases,
    after: Aliases,
    history: Sequence[Record],
    *,
    version: str = "",
    family: str = "",
    reason: str = "",
    run_id: str = "",
    decided_in: str = "",
    files: str = "",
) -> Record:
    """Append a record, open until `close`: from now on the next command knows what was under way."""
    record = Record(
        number=len(history) + 1, model=model, action=action, before=dict(before), after=dict(after),
        version=version, family=family, reason=reason[:2000], run_id=run_id, decided_in=decided_in,
        by=f"{getpass.getuser()}@{socket.gethostname()}", at=round(time.time(), 3),
        commit=tracking.git_commit(), chain=history[-1].digest if history else "", files=files,
    )  # fmt: skip
    label = model.removeprefix("hemo-")
    name = (label if action == label else f"{action} {label}") + (f" v{version}" if version else "")
    tags = {
        "stage": "audit", "model": model, "label": label, "action": action,
        "version": version, "family": family, "reason": record.reason, "record": chain.to_json(record),
        "owner": liveness.this_process(), "mlflow.runName": name, "mlflow.note.content": _note(record),
    }  # fmt: skip
    run = tracking.client().create_run(experiment(), tags=tags, run_name=name)
    return chain.of_run(run.info.run_id, run.info.status, run.data.tags)


def close(record: Record, undone: str = "") -> None:
    """Close a record: carried out, or undone for the reason given."""
    if undone:
        tracking.client().set_tag(record.audit_id, "undone", undone)
    tracking.client().set_terminated(record.audit_id, "FAILED" if undone else "FINISHED")


def withdraw(record: Record) -> None:
    """Take back a record written at the same time as another, before anything moved."""
    tracking.client().set_tag(record.audit_id, "withdrawn", "another record was written at the same time")
    tracking.client().set_terminated(record.audit_id, "FAILED")


def follows(record: Record, history: Sequence[Record]) -> bool:
    """Tell whether a record that was just written stands at the end of a history that is settled.

    Where not, another process wrote or closed one since the history was read that this one is made of.
    """
    others = [one for one in history if one.audit_id != record.audit_id]
    return (
        all(one.state != "open" for one in others)
        and record.number == len(others) + 1
        and record.chain == (others[-1].digest if others else "")
        and record.before == chain.replay(others)
    )


def files_of(history: Sequence[Record], version: str) -> str:
    """Return the digest that a history has of a version's files; empty where it has none."""
    return next((one.files for one in reversed(history) if one.version == version and one.files), "")


def has_rival(record: Record, history: Sequence[Record]) -> bool:
    """Tell whether another record has the same place in a history."""
    return any(one.number == record.number and one.audit_id != record.audit_id for one in history)


def alive(record: Record) -> bool:
    """Tell whether the process that opened a record may still be carrying it out."""
    found = liveness.is_alive(record.owner)
    return time.time() - record.at < ABANDONED_SECONDS if found is None else found


def mine(record: Record) -> bool:
    """Tell whether this very process opened a record (and left it behind by an exception)."""
    return record.owner == liveness.this_process()


def experiment() -> str:
    """Return the id of the experiment that holds the records, made where it does not exist."""
    client = tracking.client()
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(EXPERIMENT, tags=views.kind(NOTE)))
    except MlflowException:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return str(found.experiment_id)  # another process was faster


def _note(record: Record) -> str:
    def text(aliases: Aliases) -> str:
        return ", ".join(f"{alias} = version {version}" for alias, version in aliases.items()) or "none"

    mark = "**Gate overridden.** " if record.overridden else ""
    return (
        f"{mark}{record.action} of `{record.model}`: {as_written(record.reason)}\n\n"
        "| | aliases |\n|---|---|\n"
        f"| before | {text(record.before)} |\n| after | {text(record.after)} |"
    )
