"""What a process may take is said in words, and what is too little is refused."""

import pytest

from hemo import memory
from hemo.errors import HemoError


@pytest.mark.parametrize(
    ("text", "size"), [("4 GB", 4e9), ("1500MB", 1.5e9), ("2.5 gb", 2.5e9), ("4 GiB", 4 * 2**30)]
)
def test_an_amount_is_read_as_it_is_written(text: str, size: float) -> None:
    assert memory.parse(text) == size


@pytest.mark.parametrize("text", ["", "4", "four GB", "-4 GB", "4 TB", "1 GB", "nan GB"])
def test_other_words_and_too_little_are_refused(text: str) -> None:
    with pytest.raises(HemoError, match="of memory"):
        memory.parse(text)


def test_a_promise_holds_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    whole = memory.room()
    memory.promise("8 GB")
    assert memory.room() - whole == 4 * 10**9
    with pytest.raises(HemoError):
        memory.promise("much")
    assert memory.words() == "8 GB"
