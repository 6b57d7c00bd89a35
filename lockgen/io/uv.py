"""Finding uv, the default index that it is configured with, and the Python that it builds with."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from lockgen.core.parsing import parse_version
from lockgen.core.urls import redacted
from lockgen.errors import BadInput, ToolFailed
from lockgen.io.find_uv import find_uv
from lockgen.io.process import run
from lockgen.io.temporary import temporary_folder

# The first that knows the preview feature index-exclude-newer; it and the newest lock the reference family alike.
OLDEST = parse_version("0.11.5")


# The variables of the caller's environment that uv may see: where it caches, how it trusts and reaches the network. Any
# other could add an index, a constraint or another rule, and two machines would lock differently.
_PASSES = re.compile(
    r"UV_(CACHE_DIR|CONCURRENT_\w+|HTTP_\w+|KEYRING_PROVIDER|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|REQUEST_TIMEOUT)"
    r"|UV_INDEX_\w+_(USERNAME|PASSWORD)|(?!UV_|PIP_).*"
)


_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the settings that could change what is resolved."""
    kept = {name: value for name, value in environ.items() if _PASSES.fullmatch(name)}
    # With pins uv knows at once what to request, and its 50 connections look up 50 addresses: a small DNS server
    # drops some of them, and each costs its caller's time-out of 5 s. 16 are as quick where none is dropped.
    kept.setdefault("UV_CONCURRENT_DOWNLOADS", "16")
    # lockgen parses uv's messages: in a narrow terminal uv would break a URL or a derivation into lines.
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_WRAP": "1"}


def default_index() -> str:
    """The URL of the default index in the user's own uv settings, credentials included.

    Settings of a project are ignored, so that a family is locked alike in any folder. uv runs once per process.

    Raises:
        BadInput: it is not an HTTP URL.
        ToolFailed: uv does not report it.
    """
    environment = tuple(sorted(os.environ.items()))
    url = _configured_index(find_uv(), environment)
    source = next((name for name in _INDEX_VARIABLES if os.environ.get(name)), "uv's settings")
    return http_index(url, source)


def http_index(url: str, source: str) -> str:
    """``url``, the default index that ``source`` sets.

    Raises:
        BadInput: it is not an HTTP URL. uv and pip also read indexes in folders.
    """
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in {"https", "http"} and bool(parts.hostname)
    except ValueError:
        is_http = False
    if is_http:
        return url
    raise BadInput(
        f"the default index {redacted(url)} is not an HTTP URL: {source} sets it",
        hint="lockgen reads indexes over HTTP only; serve the folder, as in `python -m http.server --directory FOLDER`",
    )


@cache
def _configured_index(uv: str, environ: tuple[tuple[str, str], ...]) -> str:
    # Compiling an empty list of requirements prints the index and needs no network.
    command = [uv, "pip", "compile", "-", "--emit-index-url", "--no-header", "--python", sys.executable, "--offline"]
    # uv needs some Python for this, and would otherwise download one.
    environment = {**dict(environ), "UV_PYTHON_DOWNLOADS": "never"}
    # An empty folder: a pyproject.toml or uv.toml in the working directory would change the answer.
    with temporary_folder() as folder:
        done = run(command, cwd=folder, env=environment, timeout=60)
    for line in done.stdout.splitlines():
        option, _, url = line.partition(" ")
        if done.code == 0 and option == "--index-url":
            return url.strip()
    raise ToolFailed("uv does not report its default index", reason=done.last_lines())


def interpreter(uv: str, version: str) -> str:
    """The Python that uv builds source distributions with: one of ``version`` if one starts, else lockgen's own.

    lockgen itself asks their backends only with the target's Python. uv would look for one in each call, and a
    shim on PATH (pyenv's) that only prints "command not found" costs it a second each time. So lockgen names one.
    """
    return found_interpreter(uv, version) or sys.executable


def found_interpreter(uv: str, version: str) -> str | None:
    """A Python of ``version`` that starts; None if this machine has none."""
    major, minor = sys.version_info[:2]
    if version == f"{major}.{minor}":
        return sys.executable
    return _found_python(uv, version, os.environ.get("PATH"))


@cache
def _found_python(uv: str, version: str, path: str | None) -> str | None:
    command = [uv, "python", "find", version, "--no-project", "--no-config", "--offline", "--quiet"]
    with temporary_folder() as folder:
        done = run(command, cwd=folder, env=clean_environment(os.environ), timeout=60)
    return done.stdout.strip() if done.code == 0 else None


def check_version(uv: str) -> str:
    """The name and version of uv.

    Raises:
        ToolFailed: uv does not start, or is older than ``OLDEST``.
    """
    # An upgrade of uv changes the time. Without a file, starting it fails with a better message.
    changed = os.stat(uv).st_mtime_ns if os.path.exists(uv) else 0
    return _checked_version(uv, changed)


@cache
def _checked_version(uv: str, changed: int) -> str:
    done = run([uv, "--version"], cwd=Path.cwd(), timeout=60)
    found = re.match(r"uv (\d+(?:\.\d+)*)", done.stdout)
    if done.code != 0 or found is None:
        raise ToolFailed("uv does not start", reason=done.last_lines(), hint="reinstall it: pip install -U uv")
    version = found[1]
    if parse_version(version) < OLDEST:
        hint = f"lockgen needs {OLDEST} or later: pip install -U uv"
        raise ToolFailed(f"uv {version} is too old", hint=hint)
    return f"uv {version}"


def look_up() -> None:
    """Find out everything about uv that a resolution needs, so that later calls know it."""
    default_index()
    check_version(find_uv())
