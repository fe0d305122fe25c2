"""The sections of the comparison page.

`SECTIONS` is the page. A new section is a function from `Contents` to a `Section`, named there; where there
is nothing to say it gives None. Tables and pictures that it leaves as files are the section's own `files`.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd

from hemo import families, tracking
from hemo.comparison import conclusions, dealt, differences, tables
from hemo.comparison.contents import Contents
from hemo.comparison.leaderboard import CHOOSE_BY, led
from hemo.display import agreement, heatmaps, style, subgroups
from hemo.display.page import Section, fact_table
from hemo.evaluation.protocols import averaged
from hemo.tracking.tags import ABRIDGED


def compared(contents: Contents) -> Section:
    """Return what was compared."""
    facts = tables.facts(contents.found, contents.config)
    return Section("What was compared", contents.found.caveat, {"Facts": facts})


def data(contents: Contents) -> Section:
    """Return what is known of the store, its labels and excluded files."""
    source = contents.source
    parts = {"The store": source.facts}
    if len(source.labels):
        parts["Labels, in slices and patients"] = source.labels
    if len(source.studies):
        parts["Labels, in studies"] = source.studies
    text = "No excluded file is on record."
    if len(source.exclusions):
        parts["Excluded files by reason"] = source.exclusions
        text = f"{int(source.exclusions['files'].sum())} files were excluded; each is listed in the store."
    files = {"labels": source.labels, "exclusions": source.exclusions}
    return Section("Data and exclusions", text, parts, files=files)


def readers(contents: Contents) -> Section | None:
    """Return how far readers agree, and each label's best family beside them, where there are several."""
    agreed = contents.agreement
    if agreed is None:
        return None
    newest = next(iter(contents.runs.values()))
    rows = tables.best(contents.found).to_dict("records")
    classifiers = [
        (
            str(row["label"]),
            families.title(row["family"]),
            {
                name: tuple(row[f"study_{name}{suffix}"] for suffix in ("", "_low", "_high"))
                for name in agreement.METRICS
            },
        )
        for row in rows
    ]
    return Section(
        "Classifiers beside readers",
        f"{newest.tags.get('readers', '')} {agreement.CAVEAT}".strip(),
        {
            "Recall and specificity by study, with 95% intervals by patient": agreement.beside(
                agreed, classifiers
            ),
            "Agreement of readers, with 95% intervals by patient": agreement.readable_agreement(agreed),
        },
        files={"agreement": agreed},
    )


def by_group(contents: Contents) -> Section | None:
    """Return each label's best family by scanner, settings and patient, where headers tell them apart."""
    return subgroups.section(contents.groups)


def split(contents: Contents) -> Section:
    """Return how patients were dealt: a row a part or fold, positives as `slices (patients)` of each label.

    Of several deals, fold by fold of each, numbered from 1.

    Without the store's index, positives are those of predicted slices. Under `paper` there are no parts of
    patients, and the table has no rows.
    """
    table = dealt.table(contents)
    listed = {"Patients": table} if len(table) else {}
    return Section("Split", contents.found.protocol.words.dealt, listed, files={"split": table})


def conclusion(contents: Contents) -> Section:
    """Return the best family of each label: its metrics, how sure that is, and what the gate said of it."""
    found = contents.found
    rows = tables.best(found)
    said = [
        Section(
            f"{str(row['label']).capitalize()}: {families.title(row['family'])}",
            conclusions.words(row, found.leaderboard, contents.pairs, contents.decisions),
        )
        for row in rows.to_dict("records")
    ]
    chosen = f"Best is chosen {found.protocol.words.chosen}: {REASON} {found.caveat}"
    listed = {"The best family of each label": tables.readable(rows, tables.BEST)}
    return Section("Conclusion", chosen, listed, parts=said, files={"best": rows})


REASON: Final = "at equal specificity no classifier wins by calling everything positive."
"""Why families are compared at a specificity."""


def recall_at_specificity(contents: Contents) -> Section:
    """Return recall at a specificity of 0.80 by family and label, as one picture."""
    board, name = _named(contents), contents.config.name
    at_equal = board.drop(columns="specificity")  # that of the operating point says nothing there
    picture = style.png(heatmaps.recall_heatmap(at_equal, name, CHOOSE_BY[0]))
    return Section(
        "Recall at a specificity of 0.80",
        f"Where every family spares 80% of the negatives, recalls compare as they are.{_of_studies(board)}",
        figures={"Recall at a specificity of 0.80": style.compact(picture)},
        files={f"{CHOOSE_BY[0]}_by_family_and_label": picture},
    )


def recall(contents: Contents) -> Section:
    """Return recall by family and label at the operating point, as pictures."""
    board, name = _named(contents), contents.config.name
    drawn = {
        "recall_by_family_and_label": heatmaps.recall_heatmap(board, name),
        "recall_by_family": heatmaps.recall_by_family(board, name),
    }
    pictures = {file: style.png(figure) for file, figure in drawn.items()}
    titles = ("Recall at the operating point", "Recall by family")
    return Section(
        "Recall at the operating point",
        f"Here a recall has to be read with its specificity.{_of_studies(board)}",
        figures=dict(zip(titles, map(style.compact, pictures.values()), strict=True)),
        files=pictures,
    )


def _named(contents: Contents) -> pd.DataFrame:
    """Return the leaderboard with families by title, those of best mean recall first, and by `word`."""
    board = led(contents.found.leaderboard)
    board = board.assign(word=board["family"], family=[families.title(word) for word in board["family"]])
    rank = board.groupby("word")[CHOOSE_BY[0]].mean().rank(ascending=False, method="first")
    return board.sort_values(by="word", key=lambda words: words.map(rank), kind="stable")


def leaderboard(contents: Contents) -> Section:
    """Return every family on every label."""
    found = contents.found
    return Section(
        "Leaderboard",
        f"{averaged(found.repeats)} "
        "Metrics of slices at the operating point, with 95% intervals by cluster bootstrap over patients. "
        "Metrics of studies: a study has a score and a threshold of its own, both learned off-test. "
        "The best family stands first, with the others by recall at a specificity of 0.80 behind it. "
        "Beside its name stands what speaks against a family: that it calls nearly everything or nothing "
        "positive, or is not told from chance. tables/leaderboard.csv has all metrics.",
        tables.boards(found),
        files={"leaderboard": found.leaderboard, "left_out": found.left_out},
    )


def averages(contents: Contents) -> Section:
    """Return means over labels of each family."""
    found, config = contents.found, contents.config
    means = found.averages
    if found.protocol.by_patient:  # under paper each label has slices of its own
        board = found.leaderboard[found.leaderboard["level"] == "slice"]
        loss = differences.rsna_loss(board, contents.predicted, config.draws, config.seed)
        means = means.merge(loss.drop(columns="slices"), how="left", on="family")
    return Section(
        "Averages over labels",
        "Means over labels, without intervals. RSNA log loss is the weighted log loss of the RSNA 2019 "
        "competition over the six labels, of families that have all six; it judges probabilities, so that "
        "uncalibrated ones from balanced samples fare badly.",
        {"Averages": tables.readable(means)},
        files={"averages": means},
    )


def paired(contents: Contents) -> Section:
    """Return the differences of each label's best family from the others."""
    rows = tables.best(contents.found)
    against = differences.against_best(
        contents.pairs, dict(zip(rows["label"].astype(str), rows["family"], strict=True))
    )
    return Section(
        "Differences",
        "Paired over patients: every family is drawn on the same patients, so that what is hard for all "
        "cancels out. p is corrected by Holm's method for all pairs of families on the label. The table "
        "shows the best family less each other one; all pairs are in tables/differences.csv. An interval "
        "that holds 0 means that the data cannot tell the two apart.",
        tables.differences(against),
        files={"differences": contents.pairs},
    )


def failures(contents: Contents) -> Section:
    """Return the failure gallery of each label's best family."""
    return Section(
        "Failures",
        "Worst misses and false alarms of each label's best family, and where it looked.",
        figures={label: style.compact(png) for label, png in contents.galleries.items()},
        files={f"failures_{label}": png for label, png in contents.galleries.items()},
    )


def settings(contents: Contents) -> Section:
    """Return the experiment's words, and the resolved parameters of each family."""
    words = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in contents.config.model_dump(mode="json").items()
        if name != "families"
    }
    rows = []
    for family, members in contents.found.leaderboard.groupby("family", sort=False):
        resolved = contents.runs[members["run_id"].iloc[0]].resolved()
        described = ", ".join(f"{name} {value or 'none'}" for name, value in sorted(resolved.items()))
        rows.append({"family": families.title(str(family)), "parameters": described})
    title = "Parameters of the families (tuned ones can differ between labels; here of the first)"
    experiment = fact_table(words)
    listed = {"The experiment": experiment, title: pd.DataFrame(rows)}
    return Section("Settings", tables=listed, files={"experiment": experiment})


def digests(contents: Contents) -> Section:
    """Return what identifies data, split, code and runs."""
    found = contents.found
    facts = {
        "data digest": found.data_digest,
        "split digest": found.split_digest,
        "protocol": found.protocol,
        "code of this comparison": tracking.git_commit(),
        **tracking.versions(),
    }
    rows = []
    for row in found.leaderboard.to_dict("records"):
        tags = contents.runs[row["run_id"]].tags
        words = {"label": str(row["label"]), "family": row["family"], "run": row["run_id"]}
        rows.append({**words, "seed": tags.get("seed", ""), "code": tags.get("git_commit", "")})
    each = pd.DataFrame(rows)
    listed = {"Data, split and software": fact_table(facts), "Runs": each}
    return Section("Digests and runs", tables=listed, files={"runs": each})


def left_out(contents: Contents) -> Section | None:
    """Return the runs that were not compared, where there are any."""
    rows = contents.found.left_out
    return Section("Left out", "Runs of other data or splits.", {"Runs": rows}) if len(rows) else None


def cut_down(contents: Contents) -> Section | None:
    """Return which trainings were cut down for want of memory, and how, where any was."""
    rows = [
        {"label": str(row["label"]), "family": families.title(row["family"]), "fitted": words}
        for row in contents.found.leaderboard.drop_duplicates("run_id").to_dict("records")
        if (words := contents.runs[row["run_id"]].tags.get(ABRIDGED))
    ]
    text = "Trainings that would have taken more memory than was promised, and what that costs."
    return Section("Cut down for want of memory", text, {"Trainings": pd.DataFrame(rows)}) if rows else None


SECTIONS: Final[Sequence[Callable[[Contents], Section | None]]] = (
    conclusion,
    recall_at_specificity,
    leaderboard,
    paired,
    recall,
    averages,
    readers,
    by_group,
    failures,
    cut_down,
    left_out,
    compared,
    data,
    split,
    settings,
    digests,
)
"""The page, in the order of reading."""


def _of_studies(board: pd.DataFrame) -> str:
    labels = ", ".join(dict.fromkeys(board.loc[board["level"] == "study", "label"].astype(str)))
    return f" Metrics of studies, as no slice was judged: {labels}." if labels else ""
