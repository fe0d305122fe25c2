"""What people see in the MLflow UI: saved views of an experiment, and links that land on them.

The UI keeps a saved view in a tag of its experiment: filter, columns, order and charts. `prepare` writes
those tags, so that the views are in the menu *Views* of every UI on the store, however it was started.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mlflow.tracking import MlflowClient

from hemo.display.colors import family_color
from hemo.labels import LABELS
from hemo.tracking.leading import COMPARED, MEAN, OWN_THRESHOLD

COLUMNS = {
    "attributes.`Run Name`": 215,
    "tags.`label`": 118,
    "tags.`family`": 86,
    "metrics.`test/recall_at_specificity_80`": 198,
    "metrics.`study/recall_at_specificity_80`": 215,
    "metrics.`test/auc`": 85,
    "metrics.`test/recall`": 95,
    "metrics.`test/specificity`": 115,
    "metrics.`test/recall_at_specificity_80_low`": 235,
    "metrics.`test/recall_at_specificity_80_high`": 240,
    "metrics.`test/precision`": 110,
    "metrics.`test/accuracy`": 110,
    "metrics.`study/recall`": 100,
    "metrics.`study/auc`": 90,
    "metrics.`study/specificity`": 120,
    "metrics.`time/fit_s`": 90,
    "attributes.`Models`": 160,
    "attributes.`Dataset`": 260,
}
"""Columns of the table of runs, the most asked for first, with their widths in pixels.

The run's name is always there.
"""

AFTER = ("test/auc", "test/specificity", "test/precision", "study/auc", "study/specificity")
"""Metrics with a bar chart behind the recalls, where training runs of a label stand side by side."""

CLOSED = ("test", "study", "val", "epoch", "time", "fit", "model", "Model metrics", "System metrics")
"""Sections that the UI makes of every run's other metrics, closed until they are wanted."""

NEWEST = "tags.newest = 'true'"
"""What the runs of families of the newest comparison are found by."""

SAVED_VIEW = "mlflow.sharedViewState."
"""Start of the tags in which the UI looks for saved views."""

RUNS, FAMILIES = "hemo-runs", "hemo-families"
"""Keys of the views that `links` lands on."""

_MODE = "workflowType=machine_learning"
_QUERIES = {
    "Recall by family": f"{_MODE}&viewStateShareKey={FAMILIES}&compareRunsMode=CHART",
    "Training runs": f"{_MODE}&viewStateShareKey={RUNS}",
}
"""Words of a link to what it asks of the page of runs."""

CHOSEN_BY = "test/recall_at_specificity_80"
"""What families on a label are sorted by."""

HEIGHT = 460
"""Of a chart, in pixels: bars of a dozen families, their names and their numbers."""

MOST = 5000
"""Characters that the value of an experiment's tag may have."""

NOTE = (
    "Intracranial hemorrhage on head CT: six labels, several model families. Runs are named `family/label`; "
    "their metrics `test/...` are of patients whom the classifier never saw, with the bounds of their 95% "
    "intervals as `_low` and `_high`. The menu **Views** has the table of training runs, recall by family "
    "and the families side by side on each label. Research use only."
)


def prepare(experiment_id: str) -> None:
    """Give an experiment its kind, note and saved views; what people changed in the UI stays as it is."""
    client = MlflowClient()
    present = client.get_experiment(experiment_id).tags
    for key, value in tags().items():
        if key not in present or (present[key] != value and _is_ours(key, present[key])):
            client.set_experiment_tag(experiment_id, key, value)


def note_comparison(experiment_id: str, answer: str, tables: str) -> None:
    """Put the newest comparison before an experiment's note, unless people wrote their own.

    Parameters
    ----------
    experiment_id
        The experiment.
    answer
        The best family of each label, in a line: the UI shows a line and a half until it is opened.
    tables
        What comes below the line, in Markdown; left out where an experiment's tag does not hold it.
    """
    client = MlflowClient()
    present = client.get_experiment(experiment_id).tags.get("mlflow.note.content", NOTE)
    if NOTE in present:
        runs = f"#/experiments/{experiment_id}/runs"
        links = [
            f"[{word}]({runs}?{asked})"
            for word, asked in zip(("chart", "table"), _QUERIES.values(), strict=True)
        ]
        said, colon, found = answer.partition(":")  # lists of experiments show the beginning as raw text
        parts = [f"{said} ({', '.join(links)}){colon}{found}", tables, NOTE]
        if len("\n\n".join(parts)) > MOST:
            del parts[1]
        client.set_experiment_tag(experiment_id, "mlflow.note.content", "\n\n".join(parts))


def _is_ours(key: str, value: str) -> bool:
    """Say whether a tag is a saved view that nobody edited: the UI notes the time of an edit in it."""
    return key.startswith(SAVED_VIEW) and "updatedAt" not in json.loads(value)


def tags() -> dict[str, str]:
    """Return the tags of an experiment by which the UI shows it as hemo wants it seen."""
    trained = "tags.stage = 'train'"
    of_labels = [(section, f"{section}/{label}") for section in COMPARED for label in (MEAN, *LABELS)]
    of_families = {f"metrics.`{metric}`": 300 for _, metric in of_labels[: len(LABELS) + 1]}
    views = {
        RUNS: ("Training runs", _view(trained, "tags.`label`", of_labels[1 : len(LABELS) + 1])),
        FAMILIES: (
            "Recall by family",
            _view(
                NEWEST,
                f"metrics.`{of_labels[0][1]}`",
                of_labels,
                ascending=False,
                columns={"attributes.`Run Name`": 150, **of_families},
            ),
        ),
    }
    others = [("Other metrics", metric) for metric in AFTER]
    for label in LABELS:
        search = f"{trained} and tags.label = '{label}'"
        views[f"hemo-{label}"] = (
            f"Families on {label}",
            _view(search, f"metrics.`{CHOSEN_BY}`", others, ascending=False),
        )
    saved = {
        SAVED_VIEW + key: json.dumps(
            {"name": name, "createdAt": position, "state": json.dumps(view, separators=(",", ":"))}
        )
        for position, (key, (name, view)) in enumerate(views.items())
    }
    return kind(NOTE) | saved


def kind(note: str) -> dict[str, str]:
    """Return the tags of an experiment that the UI shows as one of model training, with a note."""
    return {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": note}


def color(family: str) -> str:
    """Return a family's color in the UI, the tag `mlflow.runColor` of its runs: that of the plots."""
    return family_color(family)


def links(base_url: str, experiment_id: str) -> dict[str, str]:
    """Return links into a UI by title: recall by family, training runs, newest comparison, registry.

    Parameters
    ----------
    base_url : str
        Where the UI answers; a user name and password in it are left out of the links.
    experiment_id : str
        The experiment to land on.
    """
    parts = urlsplit(base_url)
    host = parts.netloc.rpartition("@")[2]
    base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    runs = f"{base}/#/experiments/{experiment_id}/runs"
    found = {words: f"{runs}?{query}" for words, query in _QUERIES.items()}
    if not MlflowClient().search_runs([experiment_id], NEWEST, max_results=1):  # nothing was compared yet
        found = {words: link.replace(FAMILIES, f"hemo-{LABELS[0]}") for words, link in found.items()}
    comparisons = MlflowClient().search_runs(
        [experiment_id],
        "tags.stage = 'comparison'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    for run in comparisons:
        found["Comparison"] = f"{runs}/{run.info.run_id}/artifacts/report/comparison.html?{_MODE}"
    return found | {"Registry": f"{base}/#/models?{_MODE}"}


def level(metrics: Mapping[str, float]) -> str:
    """Return the prefix of a run's leading metrics: `test`, of slices; `study` where no slice was judged.

    >>> level({"test/auc": 0.9, "study/auc": 0.8}), level({"study/auc": 0.8})
    ('test', 'study')
    """
    by_slice = any(name.startswith("test/") for name in metrics)
    return "study" if not by_slice and any(name.startswith("study/") for name in metrics) else "test"


def as_written(text: str) -> str:
    r"""Return a person's words in one line of Markdown that shows them as they are: no markup, no link.

    >>> as_written("[see](http://x) | <b>")
    '\\[see\\](http://x) \\| \\<b\\>'
    """
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split()))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table for a note: the UI sets its columns without a gap, so that the cells bring one."""
    lines = [" | ".join(f"{cell}&emsp;" for cell in line) for line in (header, *rows)]
    lines.insert(1, " | ".join(":--" for _ in header))
    return "\n".join(f"| {line} |" for line in lines)


def _view(
    search: str,
    order_by: str,
    charts: Sequence[tuple[str, str]] = (),
    *,
    ascending: bool = True,
    columns: Mapping[str, int] = COLUMNS,
) -> dict[str, Any]:
    """Return the state of the UI's runs page in its own words (those of MLflow 3.17): a chart a row.

    The UI adds a chart of every other metric to the section that has its name, in no order to rely on.

    Parameters
    ----------
    search, order_by, ascending
        Which runs, and in which order: bars stand as runs do.
    charts
        Section and metric of charts, in their order.
    columns
        Of the table, with their widths.
    """
    opened = list(dict.fromkeys([*COMPARED, *(section for section, _ in charts)]))
    names = (*opened, *OWN_THRESHOLD, *CLOSED)
    sections = [
        {
            "uuid": f"s{position}",
            "name": name,
            "display": name in opened,
            "isReordered": True,
            "columns": 1,
            "cardHeight": HEIGHT,
        }
        for position, name in enumerate(names)
    ]
    return {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "selectedColumns": list(columns)[1:],
        "columnOrder": list(columns),
        "columnWidths": columns,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [
            {
                "uuid": f"c{position}",
                "type": "BAR",
                "metricKey": metric,
                "metricSectionId": f"s{names.index(section)}",
            }
            for position, (section, metric) in enumerate(charts)
        ],
        "compareRunSections": sections,
        "isAccordionReordered": True,
    }
