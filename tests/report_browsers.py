"""A real browser, and pages opened in it that must not complain or ask for anything."""

import shutil
from contextlib import contextmanager

import pytest
from browser_places import WINDOW

from graphprune.report.page import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # ms; a busy machine takes long to read Plotly


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of a file."""
    reason = "playwright is not installed"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found, args=ARGUMENTS, timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def show(browser, tmp_path_factory):
    """Open pages of parts; at the end nothing was complained of, nobody was asked."""

    @contextmanager
    def opened(*parts):
        path = tmp_path_factory.mktemp("page") / "report.html"
        write_report(parts, path, title="Report")
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(PATIENCE)
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri(), timeout=PATIENCE)
        yield page
        page.close()
        assert complaints == []
        own = (path.as_uri(), "data:", "blob:")
        assert [url for url in requests if not url.startswith(own)] == []

    return opened
