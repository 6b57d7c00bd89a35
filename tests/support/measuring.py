"""What coverage looks at: lockgen, and not while a slow test runs.

Python 3.11 has no cheap way to trace: what is traced takes twice its time, and a process that is takes a third of a
second to begin and to end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from coverage import Coverage

import lockgen
from lockgen.io import process

CONFIG = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage enters every Python that is started (`patch = ["subprocess"]`)."""


@cache
def import_all() -> None:
    """What runs on import runs once: were that in a slow test, the tests after it could not make up for it."""
    for module in walk_packages(lockgen.__path__, "lockgen."):
        if not module.name.endswith(".__main__"):
            import_module(module.name)


@contextmanager
def untraced() -> Iterator[None]:
    """Nothing in here is measured, nor in the processes started from here."""
    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    import_all()
    config = os.environ.pop(CONFIG, None)
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()
        if config is not None:
            os.environ[CONFIG] = config


@contextmanager
def tools_untraced() -> Iterator[None]:
    """pip, pip-compile and the Python that uv asks are not measured: nothing of lockgen runs in them."""
    started = process._started

    def quietly(
        argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        if not any(word.startswith("lockgen") for word in argv):
            env = {name: value for name, value in (os.environ if env is None else env).items() if name != CONFIG}
        return started(argv, cwd, env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_started", quietly)
        yield
