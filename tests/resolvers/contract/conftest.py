"""The contract runs with every resolver, without any settings of the user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.backtracking import Backtracking
from support.caches import use_own_caches
from support.index import LocalIndex

from lockgen.core.resolution import Resolver
from lockgen.io.http import Http
from lockgen.resolvers import NAMES
from lockgen.resolvers import resolver as by_name


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no settings of pip or uv except those of the index fixture."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")) and name not in {"UV_DEFAULT_INDEX", "PIP_INDEX_URL"}:
            monkeypatch.delenv(name)
    use_own_caches(monkeypatch, tmp_path)
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return home


IN_MEMORY = {"test_choosing", "test_preferences", "test_routes", "test_target"}
"""The modules that the resolver in memory runs too, so that other tests may rely on it. The others are about processes
and the network, which it does not have."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "resolver" in metafunc.fixturenames:
        more = ["backtracking"] if metafunc.definition.path.stem in IN_MEMORY else []
        metafunc.parametrize("resolver", [*NAMES, *more], indirect=True)


@pytest.fixture
def resolver(request: pytest.FixtureRequest, index: LocalIndex) -> Resolver:
    return Backtracking(index) if request.param == "backtracking" else by_name(str(request.param), Http())
