"""A real Chromium. `.ci/browser-up` installs it on Debian; without it the tests are skipped with a reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

# Chromium contacts hosts of its vendor for updates and other services, which the tests must not mistake for the page.
FLAGS = [
    "--no-sandbox",  # required for root, as in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on PATH: .ci/browser-up installs Debian's")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=Path(found), headless=True, args=FLAGS)
        yield browser
        browser.close()
