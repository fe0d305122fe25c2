"""What is in production now, as the audit tells it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from hemo import families
from hemo.display import terminal
from hemo.labels import LABELS
from hemo.registry import chain, standing
from hemo.registry.chain import Record
from hemo.registry.names import model_name
from hemo.registry.standing import Standing
from hemo.synthetic import is_synthetic, synthetic_warning


@dataclass(frozen=True)
class Row:
    """One label, or the panel.

    Attributes
    ----------
    label
        One of the six, or `panel`.
    version, family
        In production; empty where nothing is.
    level
        What the metrics are of: `study` or `slice`.
    metrics
        Recall, specificity and AUC of the version, as text.
    since, why, replaced
        From the record that put it there.
    action
        How it came there: `promote`, `override`, `rollback`, `by hand` or `panel`.
    override
        The reason with which the gate was overridden for this version, if it was.
    synthetic
        Whether it is made of synthetic data.
    faults
        What is wrong with the history.
    """

    label: str
    version: str = ""
    family: str = ""
    level: str = ""
    metrics: tuple[str, str, str] = ("", "", "")
    since: str = ""
    why: str = ""
    replaced: str = ""
    action: str = ""
    override: str = ""
    synthetic: bool = False
    faults: tuple[str, ...] = ()


def rows() -> list[Row]:
    """Return a row a label and one of the panel; first settles what was left or done by hand."""
    labels = (*LABELS, "panel")
    found = standing.now()
    if not (all(found.is_settled(model_name(label)) for label in labels) and found.panel_is_current()):
        from hemo.registry import panel  # loads MLflow, for seconds: only where something is to be done

        panel.settle_all()
        found = standing.now()
    return [_row(label, found) for label in labels]


def warnings(found: Sequence[Row]) -> list[str]:
    """Return what a reader must not miss."""
    drawn = [row.label for row in found if row.synthetic and row.label != "panel"]
    lines = [synthetic_warning(drawn)] if drawn else []
    for row in found:
        if row.override:
            lines.append(f"{row.label}: version {row.version} is there against the gate: {row.override}")
        if row.action == "by hand" and row.version:
            lines.append(f"{row.label}: version {row.version} was put there by hand: {row.why}")
        lines += [f"{row.label}: the history itself was changed: {fault}" for fault in row.faults]
    return lines


def overview(found: Sequence[Row]) -> terminal.TerminalTable:
    """Return the overview as a table for the terminal."""
    header = ("label", "version", "judged by", "recall", "specificity", "AUC", "since", "replaced")
    table = terminal.table("In production", header, numbers=False)
    for row in found:
        if row.label == "panel":
            table.add_section()
        red = "bold red" if row.override or row.action == "by hand" else ""
        version = f"{row.version} {row.family}".strip() or "none"
        cells = (row.label, version, row.level, *row.metrics, row.since, row.replaced)
        table.add_row(*(Text(cell, style=red or ("" if row.version else "dim")) for cell in cells))
    return table


def reasons(found: Sequence[Row]) -> list[str]:
    """Return why each is in production, or why nothing is, one line each."""
    said = {"panel": "made of"}
    return [f"{row.label}: {said.get(row.action, row.action)}: {row.why}" for row in found if row.why]


def _row(label: str, found: Standing) -> Row:
    model = model_name(label)
    history = found.histories.get(model, [])
    faults = tuple(chain.faults(history))
    number = chain.replay(history).get("production")
    if number is None:
        last = history[-1] if history else None
        return Row(label, action=last.action if last else "", why=last.reason if last else "", faults=faults)
    record = _put_there_by(history, number)
    tags = found.tags[model][number]
    return Row(
        label=label,
        version=number,
        family=families.word_of(tags) if "family" in tags else "",
        level=tags.get("level", ""),
        metrics=(tags.get("recall", ""), tags.get("specificity", ""), tags.get("auc", "")),
        since=chain.when(record.at),
        why=record.reason,
        replaced=record.before.get("production", "nothing"),
        action=record.action,
        override=tags.get("override", ""),
        synthetic=is_synthetic(tags),
        faults=faults,
    )


def _put_there_by(history: Sequence[Record], version: str) -> Record:
    """Return the record since which a version has been in production without a break."""
    done = [record for record in history if record.state == "done"]
    last = done[-1]
    for record in reversed(done):
        if record.after.get("production") != version:
            break
        last = record
    return last
