"""What the gate found, for people: HTML and JSON, a version's description, a table in the terminal."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from rich.text import Text

from hemo import console, tracking
from hemo.display import terminal
from hemo.display.numbers import logged, ranged
from hemo.display.page import Section, Table, render
from hemo.evaluation.protocols import averaged
from hemo.imaging.formats import format_names
from hemo.registry import card
from hemo.registry.gate import Finding, Verdict
from hemo.synthetic import is_synthetic
from hemo.tracking import Run
from hemo.tracking.views import as_written, level, markdown_table

DECISIONS = {
    "promoted": "Promoted: it is in production now.",
    "overridden": "Promoted by a person although the gate refused it.",
    "refused": "Refused: not fit for production.",
    "challenger": "Refused: fit for production, but not shown to be better than what is there: challenger.",
}
"""Decisions in words."""

JUDGED = {
    "study": "Whole studies were judged, by their own score and operating point.",
    "slice": "Slices were judged.",
}
"""What was judged, in words."""

SUMMED_UP = {
    "promoted": "In production now",
    "overridden": "In production against the gate",
    "challenger": "Challenger",
    "refused": "Refused",
    "kept": "In production already",
    "no candidate": "No candidate",
}
"""Decisions before a list of labels."""

RED = "overridden.png"
"""File of a red square, left with the report of a decision against the gate."""

_STYLES = {"promoted": "bold green", "overridden": "bold red", "refused": "yellow", "challenger": "cyan"}


def write(
    folder: Path, label: str, run_name: str, verdict: Verdict, decision: str, override: str = ""
) -> None:
    """Write `LABEL.json` and `LABEL.html` into a folder; for `red_mark` also a red square."""
    facts = as_dict(label, run_name, verdict, decision, override)
    (folder / f"{label}.json").write_text(json.dumps(facts, indent=2))
    (folder / f"{label}.html").write_text(as_html(run_name, verdict, decision, override))
    if decision == "overridden":
        (folder / RED).write_bytes(red_square())


def as_dict(label: str, run_name: str, verdict: Verdict, decision: str, override: str) -> dict[str, object]:
    """Return the report as plain values."""
    return {
        "label": label,
        "candidate": run_name,
        "decision": decision,
        "passed": verdict.passed,
        "override": override if decision == "overridden" else "",
        "reason": verdict.reason,
        "level": verdict.level,
        "conditions": [_plain(finding) for finding in verdict.findings],
        "figures": {
            str(row["metric"]): [None if pd.isna(row[c]) else row[c] for c in ("value", "low", "high")]
            for row in verdict.metrics.to_dict("records")
        },
    }


def _plain(finding: Finding) -> dict[str, object]:
    """Return a finding as plain values, under the names that reports have had from the first."""
    facts = asdict(finding)
    return {"name": facts.pop("name"), "figure": facts.pop("found"), **facts}


def red_square() -> bytes:
    """Return a small red square, as PNG."""
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.full((14, 14, 3), (38, 30, 179), np.uint8))[1].tobytes()


def leave_red_mark(run_id: str, folder: str) -> str:
    """Leave a red square in a folder of a run's artifacts; return it in Markdown (see `red_mark`)."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / RED
        file.write_bytes(red_square())
        tracking.client().log_artifact(run_id, str(file), folder)
    return red_mark(run_id, folder)


def red_mark(run_id: str, folder: str = "gate") -> str:
    """Return a red square in Markdown that a run keeps in a folder: the UI lets no text be red."""
    return f"![red](get-artifact?path={folder}/{RED}&run_uuid={run_id})"


def as_html(run_name: str, verdict: Verdict, decision: str, override: str) -> str:
    """Return the report as a page."""
    findings = pd.DataFrame(
        [
            (one.name, _verdict(one), one.found, one.required, _sentence(one.words))
            for one in verdict.findings
        ],
        columns=["condition", "verdict", "found", "asked", "in words"],
    )
    sections = [
        Section(
            "Decision",
            f"{DECISIONS[decision]} {JUDGED[verdict.level]}\n\n{_sentence(verdict.reason)}",
            warning=f"Gate overridden: {override}" if decision == "overridden" else "",
            mark="good" if verdict.passed else "bad",
        ),
        Section(
            "Conditions",
            tables={
                "": Table(findings, ["good" if one.passed else "bad" for one in verdict.findings], "verdict")
            },
        ),
        Section(
            f"Metrics on patients kept from training, by {verdict.level}",
            averaged(verdict.repeats),
            tables={"": _metrics(verdict)},
        ),
    ]
    return render(f"Gate: {run_name}", sections)


def about(label: str, model: str) -> str:
    """Return the Markdown description of a registered model."""
    return (
        f"Probability of **{card.kind(label)}** on a head-CT slice, and the decision at an operating point "
        "that was fitted off-test. Research use only.\n\n"
        "Aliases: `production` is what passed the gate and is in use, `previous` what was in use before, "
        "`challenger` what was fit for use but not shown to be better. They are moved by `hemo promote` and "
        f"`hemo rollback {label}`; `hemo history {label}` has every decision, also those made by hand here."
        f'\n\nIn Python: `mlflow.pyfunc.load_model("models:/{model}@production")`, which takes a table with '
        f"the column `image` (the bytes of a {format_names()} file, a path or an array). All labels in one: "
        "`hemo-panel`.\n\nA version that is made of synthetic data says so first: it has seen no patient."
    )


def description(label: str, run: Run, verdict: Verdict, decision: str, override: str, deciding: str) -> str:
    """Return the Markdown description of a registered version."""
    tags, experiment = run.tags, run.experiment
    rows = []
    for name in ("recall", "specificity", "precision", "auc"):
        rows.append((name.replace("auc", "AUC"), ranged(*verdict[name], "z.3f")))
    by = f"by {verdict.level}" + (f", mean of {verdict.repeats} deals" if verdict.repeats > 1 else "")
    metrics = markdown_table((f"metric, {by}", "value (95% interval)"), rows)
    mark = red_mark(deciding)
    # The list of versions shows the beginning, as plain text.
    red = f"Gate overridden: {as_written(override)} {mark}\n\n" if decision == "overridden" else ""
    if is_synthetic(tags):
        red = f"**SYNTHETIC.** {card.SYNTHETIC}\n\n{red}"
    links = (
        f"[training run](#/experiments/{experiment}/runs/{run.run_id}) · "
        f"[model card](#/experiments/{experiment}/runs/{run.run_id}/artifacts/card/card.html) · "
        f"[decision](#/experiments/{experiment}/runs/{deciding}/artifacts/gate/{label}.html)"
    )
    return (
        f"{red}{run.title} for {card.kind(label)}, trained on "
        f"{as_written(tags.get('dataset', 'unknown data'))}, {run.protocol.words.short}. "
        f"Research use only.\n\n{DECISIONS[decision]} The gate: {verdict.reason}.\n\n{links}\n\n{metrics}"
    )


def summary(table: pd.DataFrame, judged: Mapping[str, Mapping[str, float]], deciding: str) -> str:
    """Return the decisions of a promotion in Markdown.

    Parameters
    ----------
    table
        A row a label, as `promote` returns it.
    judged
        Label to the metrics of the candidate's run.
    deciding
        The run that holds the reports.
    """
    rows, said = [], []
    for decision, words in SUMMED_UP.items():
        labels = table.loc[table["decision"] == decision, "label"].tolist()
        mark = f" {red_mark(deciding)}" if decision == "overridden" else ""
        said += [f"**{words}:** {', '.join(labels)}.{mark}"] if labels else []
    for row in table.to_dict("records"):
        red = f"{red_mark(deciding)} " if row["decision"] == "overridden" else ""
        metrics = judged.get(row["label"], {})
        recall = logged(metrics, f"{level(metrics)}/recall_at_specificity_80")
        reason = as_written(row["reason"])
        rows.append((row["label"], row["family"], recall, red + row["decision"], row["production"], reason))
    header = ("label", "family", "recall at spec. 0.80", "decision", "production", "why")
    return f"{' '.join(said)}\n\n{markdown_table(header, rows)}"


def print_decisions(table: pd.DataFrame) -> None:
    """Print the decisions of a promotion; labels of which there is nothing to say in one line."""
    nothing = (table["decision"] == "no candidate") & (table["production"] == "none")
    if not nothing.all():
        console.out.print(_decisions(table[~nothing]))
    if nothing.any():
        console.out.print(
            f"no candidate: {', '.join(table['label'][nothing])}: no training run", soft_wrap=True
        )


def _decisions(table: pd.DataFrame) -> terminal.TerminalTable:
    rows = [
        (
            row["label"],
            row["family"],
            Text(row["decision"], style=_STYLES.get(row["decision"], "")),
            row["production"],
            row["reason"],
        )
        for row in table.to_dict("records")
    ]
    header = ("label", "best family", "decision", "production", "why")
    return terminal.table("Promotion", header, rows, numbers=False)


def conditions(name: str, verdict: Verdict) -> terminal.TerminalTable:
    """Return all conditions of one candidate as a table for the terminal."""
    rows = [
        (one.name, one.found, one.required, Text(_verdict(one), style="green" if one.passed else "red"))
        for one in verdict.findings
    ]
    return terminal.table(name, ("condition", "found", "asked", "verdict"), rows, numbers=False)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _verdict(finding: Finding) -> str:
    return "pass" if finding.passed else "FAIL"


def _metrics(verdict: Verdict) -> pd.DataFrame:
    names = verdict.metrics["metric"]
    return pd.DataFrame(
        {
            "metric": names.str.replace("_", " "),
            "value (95% interval)": [ranged(*verdict[name], "z.3f") for name in names],
            "patients": verdict.metrics["patients"],
        }
    )
