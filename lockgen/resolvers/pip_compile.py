"""pip-compile as a resolver. pip mixes all of its indexes, so it gets one: a loopback index that routes.

Routed packages come only from their index, all others from the default index, without the files that the request
forbids. Hashes, sizes and files are those of the pages that pass through. No wheel is downloaded to compute its hash
(pip-tools#1470). If the default index does not offer METADATA next to its wheels (PEP 658), the routing index reads it
by range requests, and caches it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.errors import BadInput, LockgenError, NoResolution, ToolFailed
from lockgen.index.server import serving
from lockgen.index.uv_settings import build_constraints
from lockgen.index.wheel_ranking import identity
from lockgen.io.http import Http
from lockgen.io.process import Finished, run
from lockgen.io.uv import default_index
from lockgen.resolvers.pip_messages import (
    causes,
    failed_build_of,
    is_failed_build,
    is_no_solution,
    readable_part,
    unmatched_packages,
)
from lockgen.resolvers.routing_index import RoutingIndex

_INDEX = "lockgen"
_TIMEOUT = 1800.0

# What pip may take from the caller's settings: how it trusts, where it caches, how long it waits. Anything else could
# add an index or a constraint, and two machines would lock differently.
_PASSES = re.compile(
    r"PIP_(CERT|CLIENT_CERT|CACHE_DIR|NO_CACHE_DIR|TIMEOUT|DEFAULT_TIMEOUT|RETRIES)|(?!PIP_|UV_|PYTHONPATH).*"
)
_CONFIGURED = ("cert", "client-cert", "cache-dir", "timeout", "default-timeout", "retries")
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
        """See resolution.Resolver. Resolves only for the Python and the machine that it runs on, and not offline.

        Raises:
            BadInput: the request is offline, or for another Python or machine.
        """
        _check_target(request)
        with tempfile.TemporaryDirectory(prefix="lockgen-") as name:
            folder = Path(name)
            settings = _pip_settings(folder)
            index = RoutingIndex(self._http, request, _default_index(settings))
            index.prefetch()
            with serving(index) as (address, _):
                done = _compile(folder, address, request, settings)
                if done.code != 0 and index.unreadable:
                    # The default index does not support range requests: pip has to download whole wheels.
                    index.reads_metadata = False
                    done = _compile(folder, address, request, settings)
            if done.code != 0:
                raise _failure(done, index, request)
            return _solution(folder / "out.txt", index)


def create(http: Http, time_limit: float) -> PipCompile:
    """See `lockgen.resolvers`. pip-compile has another time limit, as one solve takes minutes."""
    return PipCompile(http)


def _check_target(request: Request) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    hint = "resolve with --resolver uv, which resolves for any target"
    if request.offline:
        raise BadInput("pip-compile cannot work offline", hint="use --resolver uv with --offline")
    if request.target.python != here:
        raise BadInput(
            f"pip-compile resolves for the Python that it runs on: {here}, not {request.target.python}", hint=hint
        )
    if (sys.platform, platform.machine()) != ("linux", request.target.machine):
        raise BadInput(f"pip-compile resolves for this machine, not for {request.target.platform}", hint=hint)


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


def _default_index(settings: Mapping[str, str]) -> str:
    return settings.get("index-url") or default_index()


def _compile(folder: Path, address: str, request: Request, settings: Mapping[str, str]) -> Finished:
    """Run pip-compile with the index at ``address``. The solution is written to "out.txt" in ``folder``."""
    (folder / "requirements.in").write_text(_lines(request.requirements))
    (folder / "constraints.txt").write_text(_lines(request.constraints))
    # pip-compile keeps the versions of an earlier output if they still fit.
    kept = [f"{name}=={version}" for name, version in request.preferences.items()]
    (folder / "out.txt").write_text(_lines(kept))
    command = [sys.executable, "-m", "piptools", "compile", "requirements.in", "--output-file", "out.txt"]
    command += ["--constraint", "constraints.txt", "--index-url", f"{address}/{_INDEX}/simple/"]
    command += _OPTIONS
    environment = _environment(folder, request, settings)
    return run(command, cwd=folder, env=environment, timeout=_TIMEOUT)


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _environment(folder: Path, request: Request, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of pip-compile: later settings win over earlier ones."""
    environment: dict[str, str] = {}
    for option in _CONFIGURED:
        if option in settings:
            variable = option.upper().replace("-", "_")
            environment[f"PIP_{variable}"] = settings[option]
    environment |= {name: value for name, value in os.environ.items() if _PASSES.fullmatch(name)}
    environment |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "NO_COLOR": "1",
    }
    build_file = folder / "build-constraints.txt"
    build_file.write_text(_lines(build_constraints(request)))
    environment["PIP_BUILD_CONSTRAINT"] = str(build_file)
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


def _failure(done: Finished, index: RoutingIndex, request: Request) -> LockgenError:
    """The error for a run of pip-compile that failed."""
    text = done.stderr.strip()
    # First of all: pip takes an unreadable page for an empty one, and reports a missing solution.
    failures = index.failures or (index.forbidden if index.refuses_all else {})
    if failures:
        errors = failures.values()
        return ToolFailed.of(fault for error in errors for fault in error.faults)
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=done.last_lines(), hint="free some space. No files were changed.")
    if is_no_solution(text):
        reason = _conflict(text, index, request) or readable_part(text)
        return NoResolution("no solution", reason=reason, hint=_build_hint(text, index))
    if is_failed_build(text):
        name = failed_build_of(text) or "a source distribution"
        return ToolFailed(f"{name} does not build", reason=readable_part(text))
    return ToolFailed(f"pip-compile stopped with exit code {done.code}", reason=done.last_lines(30) or None)


def _conflict(text: str, index: RoutingIndex, request: Request) -> str:
    """The requirements that conflict, one on each line; "" if pip does not name them."""
    lines: list[str] = []
    names: set[str] = set()
    for cause in causes(text):
        lines.append(f"{cause.parent} needs {cause.requirement}")
        names.add(canonicalize_name(parse_requirement(cause.requirement).name))
    if not lines:
        return ""
    # pip leaves out the pins that take part.
    for pin in map(parse_requirement, request.constraints):
        if canonicalize_name(pin.name) in names:
            missing = "" if index.offers(pin) else ", but no file of it runs on the target"
            lines.append(f"the family pins {pin}{missing}")
    unique = dict.fromkeys(lines)
    return "\n".join(["these requirements conflict:", *unique])


def _build_hint(text: str, index: RoutingIndex) -> str | None:
    names = sorted(unmatched_packages(text) & index.only_sources)
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in names)
    return f"no wheel of {', '.join(names)} runs on the target; to build it from source: [family] build = [{listed}]"
