"""Make the README's pictures of the MLflow UI from the runs of the current folder.

    python docs/screenshots.py [FOLDER]

needs training runs here (the README's are those of experiments/ct-ich.yaml), Playwright (in the development
requirements) and Debian's chromium. Writes `runs.png` and `chart.png` into FOLDER, by default beside this
file.
"""

import shutil
import socket
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from hemo import tracking
from hemo.tracking import server, views

WIDTH, HEIGHT = 1440, 810
PATIENCE = 120_000  # milliseconds
CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
QUIET = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.workflowType_v1', '"machine_learning"');
"""
"""Settings of the UI: no assistant's panel, model training rather than language models."""


def main(folder: Path) -> None:
    """Start a UI, open the links, take the pictures."""
    experiment = tracking.newest_experiment()
    views.prepare(experiment)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    links = views.links(f"http://127.0.0.1:{port}", experiment)
    with server.running(port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE)
        page.add_init_script(QUIET)
        shoot(page, links["Training runs"], ".ag-center-cols-container .ag-row", folder / "runs.png")
        shoot(page, links["Recall by family"], ".bartext", folder / "chart.png")
        browser.close()


def shoot(page: Page, link: str, content: str, file: Path) -> None:
    """Write a picture of a page of runs once `content` is there, without the notice of a shared view."""
    page.goto(link)
    page.get_by_role("button", name="Exit shared view").locator("xpath=following::button[1]").click()
    page.mouse.move(0, 0)
    page.locator(content).first.wait_for()
    page.wait_for_timeout(3000)  # the rest is drawn piece by piece
    page.screenshot(path=file)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
