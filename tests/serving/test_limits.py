"""What a request holds is counted before it is unpacked."""

import asyncio
import io

import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException

from hemo.serving.limits import FOLLOWED_BY, LARGEST_BODY, MOST_PARTS, UNREADABLE, guarded, unpacked_size


def parquet(values, **how):
    stream = io.BytesIO()
    pd.DataFrame({"image": values}).to_parquet(stream, **how)
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


def test_a_description_that_says_less_than_the_pages_hold_is_not_believed():
    body = parquet([bytes([number]) * (20 << 20) for number in range(8)], compression="zstd")
    (said,) = {pq.read_metadata(io.BytesIO(body)).row_group(0).total_byte_size}
    false = body.replace(varint(said), b"\x80\x80\x80\x80\x00"[-len(varint(said)) :])
    assert pq.read_metadata(io.BytesIO(false)).row_group(0).total_byte_size < LARGEST_BODY
    assert unpacked_size(false) > LARGEST_BODY


def varint(number):
    """Return a positive number as Parquet's description writes it (Thrift's compact protocol)."""
    number, content = 2 * number, []
    while number:
        number, low = number >> 7, number & 127
        content.append(low | (128 if number else 0))
    return bytes(content)


class Request:
    """What a server is sent, in pieces."""

    def __init__(self, *pieces, **headers):
        self.pieces = pieces
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._body = b""

    async def stream(self):
        for piece in self.pieces:
            yield piece


def answered(request, handle=None):
    """Return what a guarded server answers, or the line that it refuses with."""

    async def length(request):
        return len(request._body)

    async def answer():
        return await guarded(handle or length)(request)

    try:
        return asyncio.run(answer())
    except MlflowException as refused:
        return refused.message


def test_a_request_is_handed_on_whole():
    assert answered(Request(b"[1,", b"2]")) == 5
    assert answered(Request(parquet([b"x"]), content_type="application/vnd.apache.parquet")) > 100


@pytest.mark.parametrize(
    "request_",
    [
        Request(content_length=str(LARGEST_BODY + 1)),
        Request(bytes(LARGEST_BODY // 2), bytes(LARGEST_BODY // 2), b"1"),
        Request(parquet([bytes(1 << 20)] * 500), content_type="parquet"),
    ],
    ids=["said", "sent", "packed"],
)
def test_a_request_that_is_too_large_is_refused_before_it_is_parsed(request_):
    assert "a request is 100 MB at most" in str(answered(request_))


def test_a_request_of_too_many_values_is_refused_before_it_is_parsed():
    assert "more than 200,000 values" in str(answered(Request(b"," * (MOST_PARTS + 1))))


@pytest.mark.parametrize("sign", ["\U0001f600".encode(), b"\\uD83D\\ude00"], ids=["plain", "escaped"])
def test_a_sign_that_makes_each_byte_four_is_refused_in_a_large_request(sign):
    assert "no sign beyond U+FFFF" in str(answered(Request(b"A" * (10 << 20) + sign)))
    assert answered(Request(b"A" * (1 << 20) + sign)) == (1 << 20) + len(sign)


def test_what_goes_wrong_is_said_in_a_line_without_a_path_or_what_was_sent():
    async def fails(request):
        raise MlflowException(f"P-12345 was sent{FOLLOWED_BY}no column image\n  File /home/x.py")

    async def breaks(request):
        raise ValueError("/home/x.py: P-12345")

    assert answered(Request(b"1"), fails) == "no column image File /home/x.py"
    assert answered(Request(b"1"), breaks) == UNREADABLE
