"""Write a finished store's index, exclusions and facts, each complete or not at all."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hemo import digests
from hemo.slices import integrity
from hemo.slices.ordering import ROWS
from hemo.slices.reads import agreement_table
from hemo.slices.shards import durable, sync_folder
from hemo.whole import csv_text

if TYPE_CHECKING:
    from hemo.slices.assemble import Assembled


def replace_text(path: Path, text: str) -> None:
    """Write a file by a temporary one beside it, so that it is never seen half written."""
    partial = path.with_name(f"{path.name}.tmp")
    with partial.open("w") as stream:
        stream.write(text)
        durable(stream)
    os.replace(partial, path)
    sync_folder(path.parent)


def write_index(folder: Path, index: pd.DataFrame) -> None:
    """Write a store's index."""
    partial = folder / "index.parquet.tmp"
    with partial.open("wb") as stream:
        schema = pa.Schema.from_pandas(index, preserve_index=False)
        # Dictionaries of values that hardly repeat take several times the memory of the rows.
        with pq.ParquetWriter(stream, schema, use_dictionary=False) as writer:
            for start in range(0, len(index), ROWS):
                writer.write_table(pa.Table.from_pandas(index.iloc[start : start + ROWS], schema))
        durable(stream)
    os.replace(partial, folder / "index.parquet")


def write_assembled(folder: Path, assembled: "Assembled", facts: dict[str, Any]) -> None:
    """Write index, exclusions, agreement, digests of all files, and `store.json`.

    The last makes the store count as finished.
    """
    write_index(folder, assembled.index)
    replace_text(folder / "exclusions.csv", csv_text(assembled.exclusions))
    unmatched = folder / "unmatched.csv"
    if assembled.unmatched:
        replace_text(unmatched, csv_text(pd.Series(assembled.unmatched, name="label_row")))
    else:
        unmatched.unlink(missing_ok=True)
    if (agreed := agreement_table(facts)) is not None:
        replace_text(folder / "agreement.csv", csv_text(agreed))
    text = json.dumps({**facts, integrity.RECORDED: True}, indent=2) + "\n"
    replace_text(folder / digests.FILE, integrity.manifest(folder, text))
    replace_text(folder / "store.json", text)
