"""Every test here has caches of its own, no credentials of the user's, and no proxy."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV", "PIP", "LOCKGEN"):
        monkeypatch.setenv(f"{name}_CACHE_DIR", str(tmp_path / f"cache-{name}"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_CONFIG_FILE", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
