"""A real Chromium. `.ci/browser-up` brings one on Debian; elsewhere the tests say why they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

# Chromium asks its maker's hosts for updates and more of its own accord: none of that has to do with the page.
FLAGS = [
    "--no-sandbox",  # as root, as in CI, it starts no other way
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
