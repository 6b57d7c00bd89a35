"""Both resolvers, one after the other, with nothing of the user's own around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.backtracking import Backtracking
from support.index import LocalIndex

from lockgen.core.resolution import Resolver
from lockgen.resolvers import NAMES
from lockgen.resolvers import resolver as by_name


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no setting of pip's or uv's but those that the index fixture makes."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")) and name not in {"UV_DEFAULT_INDEX", "PIP_INDEX_URL"}:
            monkeypatch.delenv(name)
    for name in ("UV", "PIP", "LOCKGEN"):
        monkeypatch.setenv(f"{name}_CACHE_DIR", str(tmp_path / f"cache-{name}"))
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return home


IN_MEMORY = {"test_choosing", "test_routes"}
"""Where the resolver in memory stands beside the real ones, so that other tests may trust it. Nothing else can fail
in it: it has no process and no network."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "resolver" in metafunc.fixturenames:
        more = ["backtracking"] if metafunc.definition.path.stem in IN_MEMORY else []
        metafunc.parametrize("resolver", [*NAMES, *more], indirect=True)


@pytest.fixture
def resolver(request: pytest.FixtureRequest, index: LocalIndex) -> Resolver:
    return Backtracking(index) if request.param == "backtracking" else by_name(str(request.param))
