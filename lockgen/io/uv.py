"""Finding uv, the default index that it is configured with, and the Python that it builds with."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lockgen.core.parsing import parse_version
from lockgen.errors import ToolFailed
from lockgen.io.process import run

# The first that knows the preview feature index-exclude-newer; it and the newest lock the reference family alike.
OLDEST = parse_version("0.11.5")


# What may pass from the caller's environment: where uv caches, how it trusts and reaches the network.
# Anything else could add an index, a constraint or another rule, and two machines would lock differently.
_PASSES = re.compile(
    r"UV_(CACHE_DIR|CONCURRENT_\w+|HTTP_\w+|KEYRING_PROVIDER|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|REQUEST_TIMEOUT)"
    r"|UV_INDEX_\w+_(USERNAME|PASSWORD)|(?!UV_|PIP_).*"
)


def find_uv() -> str:
    """The uv that was installed with lockgen, else the one on PATH.

    Raises:
        ToolFailed: there is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolFailed("uv was not found", hint="install it next to lockgen: pip install uv")
    return found


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the settings that could change what is resolved."""
    kept = {name: value for name, value in environ.items() if _PASSES.fullmatch(name)}
    # With pins uv knows at once what to request, and its 50 connections look up 50 addresses: a small DNS server
    # drops some of them, and each costs its caller's time-out of 5 s. 16 are as quick where none is dropped.
    kept.setdefault("UV_CONCURRENT_DOWNLOADS", "16")
    # What uv says is read: in a narrow terminal it would break an address or a derivation into lines.
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_WRAP": "1"}


def default_index() -> str:
    """The address of the default index as the user's own uv settings have it, credentials included.

    Settings of a project count for nothing: one family is locked alike from whatever folder. Each process asks once.
    """
    return _told_index(find_uv(), tuple(sorted(os.environ.items())))


@cache
def _told_index(uv: str, environ: tuple[tuple[str, str], ...]) -> str:
    # It needs some Python, and would download one rather than go without. uv says it from its settings alone.
    command = [uv, "pip", "compile", "-", "--emit-index-url", "--no-header", "--python", sys.executable, "--offline"]
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        environment = {**dict(environ), "UV_PYTHON_DOWNLOADS": "never"}
        done = run(command, cwd=Path(folder), env=environment, timeout=60)
    urls = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("--index-url ")]
    if done.code != 0 or not urls:
        raise ToolFailed("uv does not say which default index it uses", reason=done.last_lines())
    return urls[0]


def interpreter(uv: str, version: str) -> str:
    """The Python that builds source distributions: one of ``version`` if there is one that starts, else lockgen's own.

    What a package requires seldom hangs on the Python that builds it. uv would look for one in each call, and a shim on
    PATH (pyenv's) that only says "command not found" costs it a second each time: so uv is told which one to use.
    """
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    return _found_python(uv, version, os.environ.get("PATH"))


@cache
def _found_python(uv: str, version: str, path: str | None) -> str:
    command = [uv, "python", "find", version, "--no-project", "--no-config", "--offline", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        done = run(command, cwd=Path(folder), env=clean_environment(os.environ), timeout=60)
    return done.stdout.strip() if done.code == 0 else sys.executable


def check_version(uv: str) -> str:
    done = run([uv, "--version"], cwd=Path.cwd(), timeout=60)
    told = re.match(r"uv (\d+(?:\.\d+)*)", done.stdout)
    if done.code != 0 or told is None:
        raise ToolFailed("uv does not start", reason=done.last_lines(), hint="reinstall it: pip install -U uv")
    if parse_version(told[1]) < OLDEST:
        raise ToolFailed(f"uv {told[1]} is too old", hint=f"lockgen needs {OLDEST} or later: pip install -U uv")
    return f"uv {told[1]}"
