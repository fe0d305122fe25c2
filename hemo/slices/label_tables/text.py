"""From a label table's bytes to columns of texts: encodings, separators and line ends of all kinds."""

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from hemo.errors import HemoError
from hemo.slices.label_tables.columns import columns_of, twice

NO_TABLES: Final = {
    b"PK\x03\x04": "a spreadsheet or an archive (zip)",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of old (xls)",
    b"\x1f\x8b": "a compressed file (gzip)",
    b"PAR1": "a Parquet file",
}
"""How files begin that are given for tables, and are none that is read."""

SEPARATORS: Final = ",;\t|"

_HEAD: Final = 1 << 16
"""Bytes in which the header lies, and by which encoding and line ends are told."""


def read_table(path: Path) -> pa.Table:
    """Read a table; every column is text, but the numbers of RSNA's second column.

    Raises
    ------
    HemoError
        If it is no table, or has a column twice.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
        if head.startswith(tuple(NO_TABLES)):
            kind = next(words for start, words in NO_TABLES.items() if head.startswith(start))
            raise HemoError(f"{path}: {kind}, not a CSV table: export it as CSV")
        if _is_plain(head):
            with suppress(pa.ArrowInvalid, csv.Error):  # further on it may not be so plain
                return _parsed(path, path, head.decode("utf-8-sig", "ignore"))
        text = _decoded(path.read_bytes())
        if (place := text.find("\0")) >= 0:
            line = text.count("\n", 0, place) + 1
            raise HemoError(
                f"{path}: line {line} holds a byte of 0, as of a damaged file: export the table again"
            )
        return _parsed(path, pa.BufferReader(text.encode()), text[:_HEAD])
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        reason = str(error).splitlines()[0][:120]
        raise HemoError(f"{path}: not a readable CSV table ({reason}): check its rows") from error
    except OSError as error:
        raise HemoError(f"{path}: cannot be read ({error.strerror}): check its permissions") from error


def _is_plain(head: bytes) -> bool:
    """Tell whether a file may be read as it is: UTF-8 with line ends that Arrow knows, and no quirks."""
    names_separator = head.lstrip(b'\xef\xbb\xbf"')[:4].lower() == b"sep="
    odd = names_separator or b"\0" in head  # UTF-16 has zeros between the letters of a header
    return not odd and (b"\n" in head or b"\r" not in head) and b'="' not in head


def _decoded(data: bytes) -> str:
    """Return a file's text with line feeds at its ends of line, without a line that names the separator."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    elif data[:_HEAD].count(0) * 4 > len(data[:_HEAD]):
        # Without a mark, the letters of a header are every other byte.
        text = data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip('"')[:4].lower() == "sep=":
        text = text.partition("\n")[2]
    return text.replace('="', '"')  # how Excel is made to keep the zeros of ="007"


def _parsed(path: Path, source: object, head: str) -> pa.Table:
    line, separator = _header(head)
    if not line:
        raise pa.ArrowInvalid("empty file")
    names = [name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=separator))]
    if double := twice(names):
        raise HemoError(f"{path}: column {double[0]} is there twice ({double[1]}): keep the right one")
    # Columns without a name, such as Excel leaves behind the last one, need one here.
    unique = [name or f"\0{place}" for place, name in enumerate(names)]
    # Everything as text, since an id such as 007 must keep its zeros; but the long form has millions of
    # rows, and its second column is numbers.
    types = dict.fromkeys(unique, pa.string())
    columns = columns_of(names)
    if {"id", "label"} <= set(columns):
        types[columns["label"]] = pa.float32()
    skipped = head[: head.find(line)].count("\n") + 1
    if not head.partition(line)[2].strip():
        return pa.table({name: pa.array([], types[name]) for name in unique if name in names})
    table = arrow_csv.read_csv(
        source,
        read_options=arrow_csv.ReadOptions(column_names=unique, skip_rows=skipped),
        parse_options=arrow_csv.ParseOptions(delimiter=separator),
        convert_options=arrow_csv.ConvertOptions(column_types=types),
    )
    return _without_empty_rows(table.select([name for name in unique if not name.startswith("\0")]))


def _header(text: str) -> tuple[str, str]:
    """Return the first line that is not empty, and the separator that it has most of outside quotes."""
    line = next((line for line in text.split("\n") if line.strip()), "")
    bare = "".join(line.split('"')[::2])
    return line, max(SEPARATORS, key=bare.count)


def _without_empty_rows(table: pa.Table) -> pa.Table:
    """Leave out rows of nothing but separators, as spreadsheets write them."""
    empty = None
    for column in table.columns:
        none = pc.equal(column, "") if pa.types.is_string(column.type) else pc.is_null(column)
        empty = none if empty is None else pc.and_(empty, none)
    return table if empty is None else table.filter(pc.invert(empty))
