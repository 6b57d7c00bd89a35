"""pip-compile as a resolver. pip mixes all of its indexes, so it gets one: a loopback index that routes.

Routed packages come only from their index, all others from the default index, without the files that the request
forbids. pip gets pages and metadata, never a file: hashes, sizes and files are those of the pages that pass through.
So no wheel is downloaded to compute its hash (pip-tools#1470), and no setting of pip about servers has an effect.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.core.target_requirements import evaluated
from lockgen.errors import BadInput, TimedOut
from lockgen.index.server import serving
from lockgen.index.wheel_ranking import identity
from lockgen.io.http import Http
from lockgen.io.process import Finished, run
from lockgen.io.temporary import temporary_folder
from lockgen.io.uv import default_index, http_index
from lockgen.resolvers.pip_failures import pip_failure, preferences_in_conflict
from lockgen.resolvers.routing_index import RoutingIndex

_INDEX = "lockgen"
_TIMEOUT = 1800.0
_ATTEMPTS = 5
"""Runs with preferences. Each drops some; after that, drop all."""

# Anything of the caller's settings could add an index or a constraint, and two machines would lock differently.
_HIDDEN = re.compile("(PIP|UV)_.*|PYTHONPATH|PYTHONHASHSEED")
# Nothing of the user's settings, and nothing in the output but names and versions.
_OPTIONS = (
    *("--no-config", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-trusted-host"),
    *("--no-emit-find-links", "--no-emit-options", "--allow-unsafe", "--strip-extras"),
    *("--resolver", "backtracking", "--no-reuse-hashes"),
)


class PipCompile:
    """The second resolver."""

    name = "pip-compile"

    def __init__(self, http: Http) -> None:
        self._http = http

    def solve(self, request: Request) -> Solution:
        """See resolution.Resolver.

        Raises:
            BadInput: the request is offline.
        """
        if request.offline:
            raise BadInput("pip-compile cannot work offline", hint="use --resolver uv with --offline")
        with temporary_folder() as folder:
            settings = _pip_settings(folder)
            own = settings.get("index-url")
            default = http_index(own, "pip's index-url") if own else default_index()
            index = RoutingIndex(self._http, request, default)
            index.prefetch()
            with serving(index) as (address, _):
                done = _compile_near(folder, address, request)
            by_url = index.url_requirements.first(request.requirements)
            if by_url is not None:
                # Another version might do without it, but uv refuses it too, and nobody asked for another version.
                raise by_url.error()
            if done.code != 0:
                raise pip_failure(done, index, request)
            return _solution(folder / "out.txt", index)


def create(http: Http, time_limit: float) -> PipCompile:
    """See `lockgen.resolvers`. pip-compile has another time limit, as one solve takes minutes."""
    return PipCompile(http)


def _pip_settings(folder: Path) -> dict[str, str]:
    """pip's configuration by option name, from `pip config list`; environment variables included."""
    done = run([sys.executable, "-m", "pip", "config", "list"], cwd=folder, timeout=120)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.strip().rpartition(".")
        # Sections of other commands do not apply. Later lines win: pip lists them in order of precedence.
        if section in {"global", "install", ":env:"}:
            found[option] = value.strip().strip("'\"")
    return found


def _compile_near(folder: Path, address: str, request: Request) -> Finished:
    """Run pip-compile with as many of the preferences as it can keep.

    pip-compile uses preferences as constraints. It drops one that is in a conflict, unless a package without a
    preference is in the same conflict: then it fails. So drop those that it names, and run it again.
    """
    kept = dict(request.preferences)
    for _ in range(_ATTEMPTS):
        done = _compile(folder, address, request, kept)
        dropped = preferences_in_conflict(done, kept)
        if not dropped:
            return done
        for name in dropped:
            del kept[name]
    return _compile(folder, address, request, {})


def _compile(folder: Path, address: str, request: Request, kept: Mapping[str, str]) -> Finished:
    """Run pip-compile with the index at ``address``. The solution is written to "out.txt" in ``folder``."""
    (folder / "requirements.in").write_text(_lines(_on_target(request.requirements, request)))
    (folder / "constraints.txt").write_text(_lines(_on_target(request.constraints, request)))
    # pip-compile keeps the versions of an earlier output if they still fit.
    (folder / "out.txt").write_text(_lines(f"{name}=={version}" for name, version in kept.items()))
    command = [sys.executable, "-m", "piptools", "compile", "requirements.in", "--output-file", "out.txt"]
    command += ["--constraint", "constraints.txt", "--index-url", f"{address}/{_INDEX}/simple/"]
    # Each round drops at least one preference.
    command += ["--max-rounds", str(len(kept) + 1), "--cache-dir", str(folder / "cache")]
    command += _OPTIONS
    try:
        return run(command, cwd=folder, env=_environment(), timeout=_TIMEOUT)
    except TimedOut as error:
        minutes = int(_TIMEOUT / 60)
        hint = "pin more packages, or use --resolver uv"
        raise TimedOut(f"pip-compile did not finish within {minutes} minutes", hint=hint) from error


def _on_target(texts: Iterable[str], request: Request) -> Iterator[str]:
    for text in texts:
        yield from evaluated(text, request.target)


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _environment() -> dict[str, str]:
    """The environment of pip-compile."""
    environment = {name: value for name, value in os.environ.items() if not _HIDDEN.fullmatch(name)}
    environment |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        # The loopback index reads other indexes and builds before it answers, with time limits of its own.
        "PIP_DEFAULT_TIMEOUT": str(int(_TIMEOUT)),
        "PIP_RETRIES": "0",
        "NO_COLOR": "1",
        # pip-compile iterates over sets of names.
        "PYTHONHASHSEED": "0",
    }
    # The loopback index must not be looked for through a proxy. Programs read either spelling.
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = f"{environment.get(name, '')},127.0.0.1".lstrip(",")
    return environment


def _solution(path: Path, index: RoutingIndex) -> Solution:
    packages: dict[str, Resolved] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = parse_requirement(text)
        name = str(canonicalize_name(requirement.name))
        # Every line of the output is a pin, such as "numpy==1.26.4".
        pin = next(iter(requirement.specifier))
        version = parse_version(pin.version)
        routed = index.routed(name)
        files = [file for file in routed.page.files if identity(file.name)[1] == version]
        packages[name] = Resolved(name, str(version), routed.index, tuple(files))
    return Solution(packages)
