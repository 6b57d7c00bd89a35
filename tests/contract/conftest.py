"""Both resolvers, one after the other, with nothing of the user's own around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockgen.adapters.resolvers import NAMES
from lockgen.adapters.resolvers import resolver as by_name
from lockgen.ports import Resolver


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


@pytest.fixture(params=NAMES)
def resolver(request: pytest.FixtureRequest) -> Resolver:
    return by_name(str(request.param))
