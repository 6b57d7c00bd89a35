"""Fixtures for all tests: a separate index, project and caches for each."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import settings
from support.caches import use_own_caches
from support.families import SMALL, add_small_packages, add_small_records
from support.index import LocalIndex, serving
from support.measuring import tools_untraced, untraced
from support.project import Project
from support.skips import register

TESTS = Path(__file__).parent

# What lands is judged by the same examples each time; EXPLORE=1 draws fresh ones.
settings.register_profile("gate", derandomize="EXPLORE" not in os.environ, deadline=None)
settings.load_profile("gate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden folders; review the diff")


def pytest_configure(config: pytest.Config) -> None:
    register(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests: slow ones first, so that no worker is left alone with one at the end."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with untraced() if item.get_closest_marker("slow") else nullcontext():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def only_lockgen_is_measured() -> Iterator[None]:
    with tools_untraced():
        yield


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalIndex]:
    """The default index of both resolvers, at first with nothing but what installs in an image."""
    with serving(LocalIndex()) as local:
        local.add("uv", "0.9.7")
        monkeypatch.setenv("UV_DEFAULT_INDEX", local.url)
        monkeypatch.setenv("PIP_INDEX_URL", local.url)
        use_own_caches(monkeypatch, tmp_path)
        yield local


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project folder."""
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(tmp_path / "cache-LOCKGEN"))
    monkeypatch.setenv("CI", "1")
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, capsys)


@pytest.fixture
def small(index: LocalIndex, project: Project) -> Project:
    """The family SMALL with all that it needs."""
    add_small_packages(index)
    add_small_records(project.root)
    project.write(SMALL)
    return project


@pytest.fixture
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches for this test only, no credentials of the user, and no proxy."""
    use_own_caches(monkeypatch, tmp_path)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_CONFIG_FILE", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
