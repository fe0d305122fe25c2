"""What people see: the MLflow UI on a small store, opened in Chromium through the links `hemo ui` prints."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import mlflow
import pytest
from playwright.sync_api import expect, sync_playwright

from hemo import families
from hemo.display.colors import family_color
from tests.helpers import ui_store
from tests.helpers.mlflow_default import forget_stores
from tests.helpers.present import present

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 60_000  # milliseconds: the UI is large, and other tests may be running

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
    pytest.mark.timeout(600),  # for machines that are busy with other things
]


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """Links by title as printed by `hemo ui`, which runs meanwhile and has to end on Ctrl-C."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")  # tests before may have set another
        ui_store.make(folder)
        forget_stores()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    ui = subprocess.Popen(
        [sys.executable, "-m", "hemo", "ui", "--port", str(port)],
        cwd=folder, env={k: v for k, v in os.environ.items() if k not in hidden},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in present(ui.stderr):
        if "Ctrl-C ends it" in line:
            break
    printed = [present(ui.stdout).readline().strip() for _ in range(8)]
    yield dict(zip(printed[::2], printed[1::2], strict=True))
    ui.send_signal(signal.SIGINT)
    assert ui.wait(60) == 0
    socket.create_server(("127.0.0.1", port)).close()  # nobody listens there any more


@pytest.fixture(scope="module")
def page():
    """One page for all tests, since the UI's scripts take seconds to load anew."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page
        browser.close()


def test_the_table_shows_training_runs_with_label_family_and_recall_at_specificity_80(links, page):
    page.goto(links["Training runs"])
    for column in ("label", "family", "test/recall_at_specificity_80"):
        expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_in_viewport()
    for run in ("cnn/any", "cnn/epidural", "logreg/any", "logreg/epidural"):
        expect(page.get_by_role("link", name=run, exact=True)).to_be_visible()
    expect(page.get_by_role("gridcell", name="0.91", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="comparison", exact=True)).to_have_count(0)


def test_on_a_first_visit_the_chart_shows_recall_at_specificity_80_of_each_family_in_its_color(links, page):
    first = page.context.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    first.set_default_timeout(PATIENCE)
    first.goto(links["Recall by family"])
    expect(first.get_by_text("MLflow Assistant")).to_be_visible()  # it opens by itself, and takes its room
    chart = first.locator(".js-plotly-plot").first
    expect(chart.locator(".bartext")).to_have_count(len(families.names()))
    recalls = sorted(f"{ui_store.recall(name):.2f}" for name in families.names())
    assert sorted(chart.locator(".bartext").all_text_contents()) == recalls
    fills = chart.locator(".bars .point path").evaluate_all("all => all.map(one => one.style.fill)")
    colors = [re.findall(r"\d+", fill) for fill in fills]
    found = {"#" + "".join(f"{int(part):02X}" for part in color) for color in colors}
    assert found == {family_color(name) for name in families.names()}
    title = first.get_by_text("Recall at specificity 0.80/all labels: mean", exact=True).last
    expect(title).to_be_in_viewport()
    assert title.evaluate("one => one.scrollWidth <= one.clientWidth")
    for name in families.names():
        expect(first.get_by_role("link", name=name, exact=True)).to_be_visible()
    first.set_viewport_size({"width": 1440, "height": 1500})  # the UI draws what is in sight
    below = first.get_by_text("Recall at specificity 0.80/any", exact=True).last.bounding_box()
    assert below["x"] == title.bounding_box()["x"]
    assert below["y"] >= chart.bounding_box()["y"] + chart.bounding_box()["height"]
    first.context.close()


def test_the_views_menu_of_any_ui_has_a_view_of_each_label(links, page):
    page.goto(links["Training runs"].split("?")[0] + "?workflowType=machine_learning")
    page.get_by_test_id("saved-views-trigger").click()
    page.get_by_text("Families on epidural").click()
    expect(page.get_by_role("link", name="logreg/epidural", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="logreg/any", exact=True)).to_have_count(0)


def test_a_run_s_page_shows_its_dataset_and_its_plots(links, page):
    page.goto(links["Training runs"])
    page.get_by_role("link", name="cnn/any", exact=True).click()
    expect(page.get_by_role("heading", name="cnn/any")).to_be_visible()
    expect(page.get_by_text("made-up (0123456789abcdef)")).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("plots", exact=True).click()
    page.get_by_text("roc.png", exact=True).click()
    picture = page.locator("img[src^='blob:'], img[src*='roc.png']").first
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 300)


def test_the_comparison_is_a_page_inside_the_ui(links, page):
    page.goto(links["Comparison"])
    expect(page.frame_locator("iframe").get_by_text("Families side by side")).to_be_visible()


def test_the_registry_answers(links, page):
    page.goto(links["Registry"])
    expect(page.get_by_role("heading", name="Registered Models")).to_be_visible()
    link = page.get_by_role("link", name="hemo-epidural", exact=True)
    expect(link).to_be_visible()
    # Not clicked: MLflow's own greeting covers the page, sooner or later, once in each browser.
    page.goto(links["Registry"].split("#")[0] + str(link.get_attribute("href")))
    expect(page.get_by_text("which takes a table with the column")).to_be_visible()
    expect(page.get_by_text("@ production")).to_be_visible()


def test_a_version_s_page_shows_figures_links_and_in_red_what_is_against_the_gate(links, page):
    page.goto(links["Registry"].split("#")[0] + "#/models/hemo-epidural/versions/1")
    expect(page.get_by_text("Gate overridden: wanted for a talk")).to_be_visible()
    expect(page.locator("img[src*='overridden.png']")).to_have_js_property("naturalWidth", 14)
    expect(page.get_by_role("cell", name="0.700 to 0.800").first).to_be_visible()
    for link in ("training run", "model card", "decision"):
        expect(page.get_by_role("link", name=link, exact=True)).to_be_visible()
