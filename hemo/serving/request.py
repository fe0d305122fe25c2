"""What members say of a request: its slices arranged, judged, tabulated, and put back in order."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hemo.serving.answers import Sent, tabulate
from hemo.serving.arrange import in_study_order, which_answer
from hemo.serving.inputs import Unread, reduced
from hemo.serving.unsure import unlike, with_unsure

if TYPE_CHECKING:
    from hemo.families.base import Images
    from hemo.imaging import RawSlice
    from hemo.serving.member import Member


def answer(
    members: "Sequence[Member]",
    parts: "Sequence[RawSlice | Unread]",
    thickness: float | None = None,
    names: Sequence[str] = (),
    *,
    every_stack: bool = True,
) -> pd.DataFrame:
    """Return a row a slice (see `ServedPanel.predict_slices`, which says what is given and returned).

    `thickness` is that of the slices that the members learned from, in millimetres; None where unknown.
    """
    called = list(names) or [str(row) for row in range(len(parts))]
    rows = [row for row, part in enumerate(parts) if not isinstance(part, Unread)]
    slices: list[RawSlice] = [part for part in parts if not isinstance(part, Unread)]
    why_not, read = which_answer(slices, thickness)
    order, stack = in_study_order(slices)
    judged = np.array([every_stack or not why_not[row] for row in order], bool)
    others = Counter(slices[row].study for row in order[~judged])
    order, stack = order[judged], stack[judged]
    ordered = [slices[row] for row in order]
    found = {}
    images: dict[Any, Images] = {}
    for member in members:
        if member.reduction not in images:
            images[member.reduction] = reduced(ordered, member.reduction)
        found[member.label] = member.scores_of_request(images[member.reduction], stack)
    raw = {label: one.probability for label, one in found.items()}
    attention = {label: one.attention for label, one in found.items() if one.attention is not None}
    sent = Sent(
        studies=[one.study for one in ordered],
        stack=stack,
        why_not=[why_not[row] for row in order],
        read=[read[row] for row in order],
        names=[called[rows[row]] for row in order],
        excluded=Counter(part.study for part in parts if isinstance(part, Unread)),
        others=others,
    )
    table = with_unsure(
        tabulate(raw, members, sent, attention), members, unlike(members, images, len(ordered))
    )
    table.index = pd.Index([rows[row] for row in order])
    reasons = dict(zip(rows, why_not, strict=True))
    return _with_the_rest(table, parts, reasons)


def _with_the_rest(
    table: pd.DataFrame, parts: "Sequence[RawSlice | Unread]", why_not: dict[int, str]
) -> pd.DataFrame:
    """Return a row a part in their order: what was not read or not judged has empty answers."""
    rest = [row for row in range(len(parts)) if row not in table.index]
    first = table.iloc[0]
    blank: dict[str, Any] = {}
    for name in map(str, table):
        of_all = name == "synthetic" or name.endswith("_version")
        decision = name.endswith(("_decision", "_unsure"))
        text = isinstance(first[name], str)
        blank[name] = first[name] if of_all else "" if text else None if decision else np.nan
    blank |= {"slice_only": False}
    if "study" in table:
        blank |= {"study_seen": 0, "study_of": 1, "study_excluded": 1}
    added = pd.DataFrame([blank] * len(rest), index=rest, columns=table.columns)
    if rest:
        if "study" in table:
            added["study"] = [parts[row].study for row in rest]
            added["why_not"] = [why_not.get(row, "") for row in rest]
            known = table[table["study"] != ""].drop_duplicates("study").set_index("study")
            for name in ("study_seen", "study_of", "study_excluded", "study_stack"):
                added[name] = added["study"].map(known[name]).fillna(added[name]).astype(table[name].dtype)
        for name in [name for name in map(str, table) if name.endswith(("_decision", "_unsure"))]:
            table[name], added[name] = table[name].astype(object), blank[name]
        table = pd.concat([table, added])
    table = table.sort_index()
    table["error"] = [part.reason if isinstance(part, Unread) else "" for part in parts]
    return table
