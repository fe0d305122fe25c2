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

from hemo import families
from hemo.display.colors import family_color
from hemo.labels import LABELS

COLUMNS = {
    "attributes.`Run Name`": 215,
    "tags.`label`": 135,
    "tags.`family`": 95,
    "metrics.`test/recall`": 95,
    "metrics.`test/auc`": 85,
    "metrics.`test/specificity`": 115,
    "metrics.`test/recall_low`": 120,
    "metrics.`test/recall_high`": 120,
    "metrics.`test/recall_at_specificity_80`": 205,
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

CHARTS = ("recall", "specificity", "auc", "precision", "accuracy", "recall_at_specificity_80")
"""Metrics with a bar chart in the open section; the UI adds the others in sections of their own."""

CLOSED = ("test", "study", "val", "fit", "time", "model", "system", "Model metrics")
"""Sections that the UI makes of every training run's other metrics, closed until they are wanted."""

SAVED_VIEW = "mlflow.sharedViewState."
"""Start of the tags in which the UI looks for saved views."""

RUNS, FAMILIES = "hemo-runs", "hemo-families"
"""Keys of the views that `links` lands on."""

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


def note_comparison(experiment_id: str, table: str) -> None:
    """Put the newest comparison's metrics below an experiment's note, unless people wrote their own."""
    client = MlflowClient()
    present = client.get_experiment(experiment_id).tags.get("mlflow.note.content", NOTE)
    if present.startswith(NOTE):
        note = f"{NOTE}\n\nBest family of each label in the newest comparison:\n\n{table}"
        client.set_experiment_tag(experiment_id, "mlflow.note.content", note)


def _is_ours(key: str, value: str) -> bool:
    """Say whether a tag is a saved view that nobody edited: the UI notes the time of an edit in it."""
    return key.startswith(SAVED_VIEW) and "updatedAt" not in json.loads(value)


def tags() -> dict[str, str]:
    """Return the tags of an experiment by which the UI shows it as hemo wants it seen."""
    trained = "tags.stage = 'train'"
    views = {
        RUNS: ("Training runs", _view(trained, "label", card_height=600)),
        FAMILIES: ("Recall by family", _view(trained, "family", group_by="family")),
    }
    for label in LABELS:
        search = f"{trained} and tags.label = '{label}'"
        views[f"hemo-{label}"] = (f"Families on {label}", _view(search, "family"))
    saved = {
        SAVED_VIEW + key: json.dumps({"name": name, "createdAt": position, "state": json.dumps(view)})
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
    """Return links into a UI by title: training runs, recall by family, newest comparison, registry.

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
    mode = "workflowType=machine_learning"
    found = {
        "Training runs": f"{runs}?{mode}&viewStateShareKey={RUNS}",
        "Recall by family": f"{runs}?{mode}&viewStateShareKey={FAMILIES}&compareRunsMode=CHART",
    }
    comparisons = MlflowClient().search_runs(
        [experiment_id],
        "tags.stage = 'comparison'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    for run in comparisons:
        found["Comparison"] = f"{runs}/{run.info.run_id}/artifacts/report/comparison.html?{mode}"
    return found | {"Registry": f"{base}/#/models?{mode}"}


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


def _view(search: str, order_by: str, group_by: str = "", card_height: int = 360) -> dict[str, Any]:
    """Return the state of the UI's runs page in its own words (those of MLflow 3.17)."""
    sections = [
        {
            "uuid": f"hemo-{name}",
            "name": name,
            "display": name not in CLOSED,
            "isReordered": True,
            "columns": 3,
            "cardHeight": card_height,
        }
        for name in ("metrics", *CLOSED)
    ]
    charts = [
        {
            "uuid": f"hemo-{metric}",
            "type": "BAR",
            "metricKey": f"test/{metric}",
            "metricSectionId": "hemo-metrics",
            "runsCountToCompare": 100,
            "deleted": False,
            "isGenerated": False,
        }
        for metric in CHARTS
    ]
    view: dict[str, Any] = {
        "searchFilter": search,
        "orderByKey": f"tags.`{order_by}`",
        "orderByAsc": True,
        "selectedColumns": list(COLUMNS)[1:],
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,
    }
    if group_by:
        key = {"mode": "tag", "groupByData": group_by}
        view["groupBy"] = {"aggregateFunction": "average", "groupByKeys": [key]}
        view["groupsExpanded"] = {f"tag.{group_by}.{name}": False for name in families.names()}
    return view
