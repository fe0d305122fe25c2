"""What a slice store leaves in MLflow: counts, options, exclusions, who read its studies."""

import tempfile
from pathlib import Path

import mlflow

from hemo.slices.sheet import write_sheet
from hemo.slices.store import SliceStore
from hemo.tracking import views
from hemo.whole import csv_text


def readers_words(store: SliceStore) -> str:
    """Return who read the studies of a store, and by which rule they come to one truth."""
    known = store.facts["readers"]
    names = dict.fromkeys(name for each in known["readers"].values() for name in each)
    return f"Studies have several readers ({', '.join(names)}): {known['rule']}."


def record_store(store: SliceStore) -> None:
    """Log a slice store to the active run: counts, options, exclusions and a contact sheet."""
    counts = store.counts().set_index("label")
    facts = store.facts
    numbers = {"slices": len(store), "patients": facts["patients"], "studies": facts["studies"]}
    numbers["excluded"] = sum(facts["excluded"].values())
    mlflow.log_params({f"reduction.{word}": str(value) for word, value in store.reduction.to_json().items()})
    mlflow.log_metrics({f"store/{name}": float(number) for name, number in numbers.items()})
    mlflow.set_tags(
        {
            "data_digest": store.digest,
            "store_digest": store.files_digest,
            "patients_known": str(store.patients_known).lower(),
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "labels.csv").write_text(csv_text(counts, index=True))
        (folder / "exclusions.csv").write_text(csv_text(store.exclusion_counts()))
        if store.agreement is not None:
            (folder / "agreement.csv").write_text(csv_text(store.agreement))
            mlflow.set_tag("readers", readers_words(store))
        write_sheet(store, folder / "contact_sheet.png")
        mlflow.log_artifacts(scratch, "store")
    rows = [(label, row["positive"], row["patients"]) for label, row in counts.iterrows()]
    mlflow.set_tag(
        "mlflow.note.content",
        f"{len(store)} slices of {facts['patients']} patients, {facts['studies']} studies; "
        f"{sum(facts['excluded'].values())} files excluded.\n\n"
        + views.markdown_table(("label", "positive slices", "positive patients"), rows)
        + _studies_table(store),
    )


def _studies_table(store: SliceStore) -> str:
    """Return the labels of studies in Markdown, where a table of studies was read."""
    known = store.facts.get("study_labels", {})
    rows = [(label, *(count[name] for name in ("positive", "negative"))) for label, count in known.items()]
    return "\n\n" + views.markdown_table(("label", "positive studies", "negative"), rows) if rows else ""
