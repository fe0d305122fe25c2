"""What a request holds is counted before it is unpacked."""

import io

import pandas as pd
import pytest

from hemo.serving.limits import LARGEST_BODY, unpacked_size


def parquet(values):
    stream = io.BytesIO()
    pd.DataFrame({"image": values}).to_parquet(stream)
    return stream.getvalue()


def test_a_value_that_is_written_once_counts_in_every_row():
    body = parquet([bytes(1 << 20)] * 500)
    assert len(body) < 1 << 20
    assert unpacked_size(body) == 500 << 20


@pytest.mark.parametrize("values", [[b"x"] * 5000, [b"x" * (LARGEST_BODY + 1)]])
def test_too_many_rows_or_bytes_are_known_from_the_description(values):
    assert unpacked_size(parquet(values)) > LARGEST_BODY


def test_a_study_is_counted_as_what_it_is():
    values = [bytes([number]) * 1000 for number in range(200)]
    assert unpacked_size(parquet(values)) == 200_000
