"""Make the README's pictures of the MLflow UI from the runs of the current folder.

    python docs/screenshots.py [FOLDER]

needs compared runs here (the README's are those of `make demo`), Playwright (in the
development requirements) and Debian's chromium. Writes `runs.png` and `chart.png` into FOLDER, by default
beside this file.
"""

import shutil
import socket
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from hemo import tracking
from hemo.tracking import server, views

WIDTH, HEIGHT = 1440, 900
PATIENCE = 120_000  # milliseconds
CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def main(folder: Path) -> None:
    """Start a UI, open the links, take the pictures."""
    experiment = tracking.newest_experiment()
    views.prepare(experiment)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    links = views.links(f"http://127.0.0.1:{port}", experiment)
    with server.running(port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        shoot(browser, links["Training runs"], ".ag-center-cols-container .ag-row", folder / "runs.png")
        shoot(browser, links["Recall by family"], ".bartext", folder / "chart.png")
        browser.close()


def shoot(browser: Browser, link: str, content: str, file: Path) -> None:
    """Write a picture of a page of runs as a first visitor sees it, once `content` is there."""
    page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(link)
    page.locator(content).first.wait_for()
    page.wait_for_timeout(3000)  # the rest is drawn piece by piece
    page.screenshot(path=file)
    page.context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
