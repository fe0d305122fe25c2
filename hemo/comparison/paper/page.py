"""The paper's tables beside ours for people: page, note, and what is printed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hemo import console, families
from hemo.comparison.leaderboard import Comparison
from hemo.comparison.paper import printed
from hemo.display import heatmaps, inflation, numbers, page, terminal
from hemo.display.page import Section, readable_columns
from hemo.leakage.page import headline

REPORT = "report/paper.html"
"""Where the run keeps its page."""

CAPTIONS = {
    "recall_of_the_paper": "As the paper printed it",
    "recall": "Here, at a threshold of 0.5",
    "recall_at_specificity_80": "Here, where every classifier spares 80% of the negatives",
}
"""What the heat maps of recall show."""

Tables = Mapping[str, pd.DataFrame]


def write(made: Tables, found: Comparison, name: str, folder: Path) -> Path:
    """Write the tables (CSV), the pictures (PNG) and the page (HTML) into a folder; return the page."""
    pictures = drawn(made, found, name)
    parts = sections(made, found, pictures)
    files: dict[str, pd.DataFrame | Figure | bytes] = {f"paper_{word}": table for word, table in made.items()}
    files |= {f"paper_{word}": picture for word, picture in pictures.items()}
    parts[0] = replace(parts[0], files=files)
    return page.write(folder, REPORT, f"The paper's tables: {name}", parts)


def drawn(made: Tables, found: Comparison, name: str) -> dict[str, Figure]:
    """Return recall by label and family, the paper's and ours, and where it was audited, the inflation."""
    board = found.leaderboard
    ours = _titled(board[board["family"].isin(printed.TABLES)]).assign(label=board["label"].astype(str))
    bounds = dict.fromkeys(("recall_low", "recall_high"), np.nan)
    theirs = _titled(made["implied"]).assign(**bounds)
    pictures = {
        "recall_of_the_paper": heatmaps.recall_heatmap(theirs, "The paper: recall by family and label"),
        "recall": heatmaps.recall_heatmap(ours, f"{name}: recall by family and label"),
        "recall_at_specificity_80": heatmaps.recall_heatmap(
            ours.drop(columns="specificity"), f"{name}: recall at equal specificity (0.80)",
            "recall_at_specificity_80",
        ),
    }  # fmt: skip
    if len(made["by_patient"]):
        pictures["by_patient"] = inflation.inflation(
            _titled(made["by_patient"]), f"{name}: AUC by slice, by patient"
        )
    return pictures


def sections(made: Tables, found: Comparison, pictures: Mapping[str, Figure]) -> list[Section]:
    """Return the page's sections."""
    parts = [
        Section("In short", "\n".join([found.caveat, "", *verdicts(made)])),
        Section(
            "The sample",
            "The paper samples 3,145 slices of each type from its store, 18,301 in all, and a balanced set "
            "for each label from these. Where this store holds fewer, the counts follow.",
            {"Slices": made["counts"]},
        ),
        Section(
            "Recall by label and family",
            "Specificities of the paper follow from its precision and recall: it tested on as many negative "
            "slices as positive ones.",
            figures={CAPTIONS[word]: pictures[word] for word in CAPTIONS},
        ),
    ]
    for family, number in printed.TABLES.items():
        title = f"Table {number}: {families.title(family)}"
        parts.append(
            Section(title, _printed(made, family), {title: readable_columns(made[f"table_{number}"])})
        )
    parts += [
        Section(
            "Table 6: best family of each label",
            "By recall, as in the paper, with the specificity that goes with it; and by recall at a "
            "specificity of 0.80, where no classifier wins by calling everything positive.",
            {"Best families": readable_columns(_titled(made["table_6"]))},
        ),
        Section(
            "Degenerate classifiers",
            "A high recall is no merit where nearly every slice is called positive.",
            {
                "In the paper": readable_columns(_titled(_degenerate(made["implied"]))),
                "Here": readable_columns(_titled(_degenerate(made["specificity"]))),
            },
        ),
        Section(
            "Specificity, and recall at equal specificity",
            tables={"All families": readable_columns(_titled(made["specificity"]))},
        ),
        Section(
            "Convergence",
            "Medians over labels of one classifier's training. `times the default` is the time over that of "
            "the family without variant on the same slices.",
            {"Time to convergence": readable_columns(_titled(made["convergence"]))},
        ),
        Section(
            "The printed averages",
            "Means of the rows of each table beside the averages that the paper prints.",
            {"Averages": readable_columns(_titled(made["averages"]))},
        ),
    ]
    if len(made["by_patient"]):
        parts.append(
            Section(
                "Split by patient",
                "The same slices, families and parameters, split by patient in the place of by slice "
                "(`hemo audit`).",
                {"By slice and by patient": headline(made["by_patient"])},
                {"AUC": pictures["by_patient"]},
            )
        )
    else:
        parts.append(
            Section("Split by patient", "Not measured yet: `hemo audit` trains the same families by patient.")
        )
    return parts


def verdicts(made: Tables) -> list[str]:
    """Return what the tables come to, in sentences."""
    result = []
    for family, number in printed.TABLES.items():
        last = made[f"table_{number}"].iloc[-1]
        if np.isfinite(last["recall_here"]):
            means = ", ".join(
                f"{metric} {last[f'{metric}_here']:.3f} (paper {last[f'{metric}_paper']:.3f})"
                for metric in ("recall", "accuracy")
            )
            result.append(f"{families.title(family)}, on average: {means}.")
    ours, theirs = (_degenerate(made[name]) for name in ("specificity", "implied"))
    result.append(
        f"Degenerate are {len(ours)} of {len(made['specificity'])} classifiers here and {len(theirs)} of "
        f"{len(made['implied'])} in the paper, among them its best for subarachnoid: a recall of 0.952 at a "
        "precision of 0.519 is a specificity of 0.12."
    )
    wrong = made["averages"][made["averages"]["wrong"]]
    result += [
        f"Table {row['table']} prints an average {row['figure']} of {row['printed']:.3f}; the mean of its "
        f"rows is {row['recomputed']:.3f}."
        for row in wrong.to_dict("records")
    ]
    audited = made["by_patient"]
    if len(audited):
        gap = audited.loc[audited["metric"] == "auc", "inflation"]
        low, high = numbers.number(gap.min()), numbers.number(gap.max())
        result.append(f"Split by patient, the AUC is lower by {low} to {high}.")
    return result


def note(made: Tables) -> str:
    """Return the comparison with the paper in Markdown, for the run's page in the UI."""
    lines = [*(f"- {sentence}" for sentence in verdicts(made)), "", f"The whole page: artifact `{REPORT}`."]
    return "\n".join([*lines, "", "Research use only."])


def print_paper(made: Tables) -> None:
    """Print Tables 1 to 6 with the paper's numbers, times to convergence, and what they come to."""
    for family, number in printed.TABLES.items():
        table = made[f"table_{number}"]
        if np.isfinite(table["recall_here"].iloc[-1]):
            _print(f"Table {number}: {families.title(family)}", table)
    _print("Table 6: best family of each label", _titled(made["table_6"]))
    _print("Time to convergence", _titled(made["convergence"]))
    for sentence in verdicts(made):
        console.out.print(sentence, soft_wrap=True)


def _print(title: str, table: pd.DataFrame) -> None:
    rows = [[_text(value) for value in row] for row in table.itertuples(index=False)]
    console.out.print(terminal.table(title, list(readable_columns(table).columns), rows))


def _text(value: object) -> str:
    if isinstance(value, float):
        return numbers.number(value, "z.3f")
    return str(value)


def _printed(made: Tables, family: str) -> str:
    """Say how a table's printed averages differ from the means of its rows."""
    rows = made["averages"].query("family == @family and wrong").to_dict("records")
    return " ".join(
        f"The printed average {row['figure']}, {row['printed']:.3f}, is not the mean of the rows: that is "
        f"{row['recomputed']:.3f}."
        for row in rows
    )


def _degenerate(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["degenerate"] != ""]


def _titled(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the titles of families in the place of their names."""
    columns = [name for name in ("family", "paper", "here", "fair") if name in table]
    known = set(families.names())

    def title(word: object) -> object:
        return families.title(word) if isinstance(word, str) and families.variant(word)[0] in known else word

    return table.assign(**{name: table[name].map(title) for name in columns})
