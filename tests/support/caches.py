"""Empty caches for one test, except for what uv knows about the Python that runs the tests.

uv starts an unknown Python to ask it, which costs 0.1 s of CPU time: more than most resolutions of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from uv import find_uv_bin


def use_own_caches(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let uv, pip and lockgen use caches in ``folder``."""
    for name in ("UV", "PIP", "LOCKGEN"):
        monkeypatch.setenv(f"{name}_CACHE_DIR", str(folder / f"cache-{name}"))
    for path, data in _interpreter_files().items():
        target = folder / "cache-UV" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


@cache
def _interpreter_files() -> dict[str, bytes]:
    """The files of a cache of uv that knows this Python, by their paths in it."""
    command = [find_uv_bin(), "python", "find", sys.executable, "--no-project", "--no-config", "--offline"]
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder, "cache")  # uv refuses to run in a folder inside its cache
        subprocess.run(
            command, cwd=folder, env={**os.environ, "UV_CACHE_DIR": str(known)}, check=True, capture_output=True
        )
        found = [path for path in known.glob("interpreter-*/**/*") if path.is_file()]
        return {str(path.relative_to(known)): path.read_bytes() for path in found}
