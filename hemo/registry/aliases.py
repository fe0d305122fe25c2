"""Aliases of registered models, moved only together with an audit record.

Order of a move: the record is written (what it was, what it shall be), `previous` and `challenger` move,
`production` moves, the record is closed. MLflow replaces an alias in one transaction, so a reader never
finds `production` empty, and `settle` can complete whatever a killed process left.
"""

from collections.abc import Sequence

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from hemo import tracking
from hemo.errors import HemoError
from hemo.registry import chain, ledger
from hemo.registry.chain import ALIASES, Aliases, Record
from hemo.tracking.tags import FILES_DIGEST


def registered(model: str) -> RegisteredModel | None:
    """Return a registered model, or None."""
    try:
        return tracking.client().get_registered_model(model)
    except MlflowException as fault:
        if fault.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def current(model: str) -> dict[str, str]:
    """Return the aliases of a registered model as they are in MLflow now."""
    found = registered(model)
    return _known(found) if found else {}


def all_current() -> dict[str, dict[str, str]]:
    """Return the aliases of every registered model of hemo."""
    found = tracking.client().search_registered_models("name LIKE 'hemo-%'", max_results=1000)
    return {model.name: _known(model) for model in found}


def versions(model: str) -> dict[str, ModelVersion]:
    """Return the versions of a registered model that were not deleted, by number."""
    found = tracking.client().search_model_versions(f"name = '{model}'", max_results=1000)
    return {str(version.version): version for version in found}


def overridden(model: str) -> dict[str, str]:
    """Return the versions that a person let pass against the gate, with the reasons."""
    found = {number: version.tags.get("override", "") for number, version in versions(model).items()}
    return {number: reason for number, reason in found.items() if reason}


def move(model: str, action: str, after: Aliases, history: Sequence[Record], **words: str) -> Record:
    """Move aliases to `after`, with a record around it; the history has to be settled."""
    before = chain.replay(history)
    ordered = {alias: after[alias] for alias in ALIASES if alias in after}
    return _carry_out(ledger.write(model, action, before, ordered, history, **words))


def settle(model: str) -> list[Record]:
    """Complete or undo what a killed process left, record what was done by hand; return the history.

    Where `production` was moved by hand, `previous` is set to what was there before.

    Raises
    ------
    HemoError
        If another process is deciding about the same model now.
    """
    history = ledger.records(model)
    for record in history:
        if record.state == "open":
            if ledger.has_rival(record, history) and not ledger.alive(record):
                ledger.withdraw(record)
            else:
                _finish(record)
    history = ledger.records(model) if any(r.state == "open" for r in history) else history
    expected, found = chain.replay(history), current(model)
    if found != expected:
        _adopt(model, expected, found, history)
        history = ledger.records(model)
    return history


def settle_all(models: Sequence[str]) -> None:
    """Settle models: two calls where nothing was left or done by hand."""
    histories, found = ledger.all_records(), all_current()
    for model in models:
        history = histories.get(model, [])
        is_open = any(record.state == "open" for record in history)
        if is_open or chain.replay(history) != found.get(model, {}):
            settle(model)


def _known(model: RegisteredModel) -> dict[str, str]:
    return {alias: str(model.aliases[alias]) for alias in ALIASES if alias in model.aliases}


def _apply(model: str, after: Aliases) -> None:
    client = tracking.client()
    now = current(model)
    for alias in reversed(ALIASES):  # production last: until then readers see the old one
        if alias in after and now.get(alias) != after[alias]:
            client.set_registered_model_alias(model, alias, after[alias])
    for alias in now:
        if alias not in after:
            client.delete_registered_model_alias(model, alias)


def _carry_out(record: Record) -> Record:
    """Move the aliases of a record just written, unless another process decides at the same time.

    Whoever of two finds the other's record takes its own back: both may, and neither overwrites the other.
    """
    if not ledger.follows(record, ledger.records(record.model)):
        ledger.withdraw(record)
        raise HemoError(f"{record.model}: another decision was made at the same time: try again")
    _apply(record.model, record.after)
    ledger.close(record)
    return record


def _finish(record: Record) -> None:
    """Complete an open record whose process is dead; undo it where that is not possible any more."""
    if ledger.alive(record) and not ledger.mine(record):
        raise HemoError(
            f"{record.model}: another {record.action} is under way ({record.by}): try again when it has ended"
        )
    model, found, exist = record.model, current(record.model), versions(record.model)
    expected_now = all(found.get(a) in (record.before.get(a), record.after.get(a)) for a in ALIASES)
    if expected_now and all(version in exist for version in record.after.values()):
        _apply(model, record.after)
        ledger.close(record)
        return
    back = dict(found)
    for alias in ("previous", "challenger"):  # `production` stays as it is: readers use it
        was, wanted = record.before.get(alias), record.after.get(alias)
        if found.get(alias) == wanted != was:
            back.pop(alias, None)
            back |= {alias: was} if was in exist else {}
    _apply(model, back)
    ledger.close(record, undone="the process died, and versions or aliases were changed by hand since")


def _adopt(model: str, expected: Aliases, found: Aliases, history: Sequence[Record]) -> None:
    after = dict(found)
    was, now = expected.get("production"), found.get("production")
    if was and was != now and found.get("previous") == expected.get("previous") and was in versions(model):
        after["previous"] = was
    since = f" after {chain.when(history[-1].at)}" if history else ""
    audit_words = {"version": now or "", "reason": f"outside hemo{since}: {changes(expected, found)}"}
    if now in (there := versions(model)):
        audit_words["files"] = there[now].tags.get(FILES_DIGEST, "")
    _carry_out(ledger.write(model, "by hand", expected, after, history, **audit_words))


def changes(before: Aliases, after: Aliases) -> str:
    """Return in words how aliases moved."""
    parts = []
    for alias in ALIASES:
        old, new = before.get(alias), after.get(alias)
        if old == new:
            continue
        if old and new:
            parts.append(f"{alias} moved from version {old} to {new}")
        else:
            parts.append(f"{alias} set to version {new}" if new else f"{alias} (version {old}) removed")
    return ", ".join(parts)
