import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from hemo.display.page import Section, fact_table, render
from hemo.display.run_plots import roc
from hemo.evaluation.summary import summarize


class Page(HTMLParser):
    """Collects tags, what they ask for, and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "action", "data")]

    def handle_data(self, data):
        self.words.append(data)


def test_all_text_is_escaped():
    evil = "<script>alert('x')</script> & \"y\""
    table = pd.DataFrame({evil: [evil]})
    page = Page(render(evil, [Section(evil, evil, {evil: table})]))
    assert "script" not in page.tags
    assert sum(words == evil for words in page.words) == 8


def test_a_page_asks_for_nothing_outside_itself(simulate):
    html = render(
        "Report",
        [Section("One", figures={"ROC": roc(summarize(simulate(0), 100), "cnn / any")}), Section("Two")],
    )
    page = Page(html)
    assert page.links
    assert all(re.match(r"#|data:image/png;base64,", link) for link in page.links)
    assert not re.search(r"@import|url\(|https?:", html.replace("data:image", ""))
    assert {"#section-1", "#section-2"} <= set(page.links)


def test_numbers_read_well():
    table = pd.DataFrame({"a": [0.12345, np.nan], "b": [1871, -2], "c": [True, False], "d": ["x", None]})
    words = Page(render("Report", [Section("One", tables={"T": table})])).words
    for text in ("0.123", "–", "1,871", "−2", "yes", "no", "x"):
        assert text in words


def test_an_interval_is_whole_where_a_narrow_frame_puts_it_below_its_number():
    table = pd.DataFrame({"family": ["logreg"], "AUC": ["0.89 (0.72 to 0.96)"]})
    page = render("Page", [Section("Table", tables={"Metrics": table})])
    assert '<td class="short">logreg</td>' in page
    assert '<td class="short">0.89 <span>(0.72 to 0.96)</span></td>' in page
    assert "td.short span { white-space: nowrap; }" in page


def test_an_empty_line_starts_a_paragraph():
    page = Page(render("Report", [Section("One", "first\n\nsecond\n")]))
    assert page.tags.count("p") == 2


def test_equal_input_gives_an_equal_page(simulate):
    pages = {
        render("Report", [Section("One", figures={"ROC": roc(summarize(simulate(0), 100), "cnn")})])
        for _ in range(2)
    }
    assert len(pages) == 1


def test_facts_are_words_for_people():
    table = fact_table({"seed": 3, "patients known": False, "windows": ["brain", "bone"], "layers": (4, 2)})
    assert list(table.columns) == ["fact", "value"]
    assert dict(table.itertuples(index=False)) == {
        "seed": "3",
        "patients known": "no",
        "windows": "brain, bone",
        "layers": "4, 2",
    }
