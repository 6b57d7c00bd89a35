"""pip-compile as a resolver. pip mixes all indexes it is given, so it is given one: a loopback index that routes.

Routed packages are answered from their index and nowhere else, everything else from the default index, cut to what the
request allows. Hashes, sizes and files come from the pages that pass through; no wheel is downloaded to hash it
(pip-tools#1470), nor, where the default index offers no METADATA beside its wheels (PEP 658), to read that: the router
reads it by range requests, and keeps it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.errors import BadInput, LockgenError, NoResolution, ToolFailed
from lockgen.index.metadata import MetadataReader
from lockgen.index.server import Served, metadata_text, serving
from lockgen.index.simple_api import read_page
from lockgen.index.uv_settings import build_constraints
from lockgen.index.wheel_ranking import best_files, identity, usable_files
from lockgen.io.http import Http
from lockgen.io.process import Finished, run
from lockgen.io.uv import default_index

_INDEX = "lockgen"
_TIMEOUT = 1800.0

# What pip may take from the caller's settings: how it trusts, where it caches, how long it waits.
_PASSES = re.compile(
    r"PIP_(CERT|CLIENT_CERT|CACHE_DIR|NO_CACHE_DIR|TIMEOUT|DEFAULT_TIMEOUT|RETRIES)|(?!PIP_|UV_|PYTHONPATH).*"
)
_CONFIGURED = ("cert", "client-cert", "cache-dir", "timeout", "default-timeout", "retries")


class PipCompile:
    """The second resolver."""

    name = "pip-compile"

    def solve(self, request: Request) -> Solution:
        """See ports.Resolver. It resolves for the Python and the machine that it runs on, and not offline.

        Raises:
            BadInput: the request is for another machine.
        """
        _check_machine(request)
        with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
            settings = _pip_settings(Path(folder))
            router = _Router(request, _default_index(settings))
            router.prefetch()
            with serving(router) as (address, _):
                done = _compile(Path(folder), address, request, settings)
                if done.code != 0 and router.unreadable:
                    # A server that knows no ranges: pip has to fetch whole wheels.
                    router.reads_metadata = False
                    done = _compile(Path(folder), address, request, settings)
            if done.code != 0:
                raise _failure(done, router, request)
            return _solution(Path(folder) / "out.txt", router)


def _check_machine(request: Request) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    hint = "resolve with --resolver uv: it resolves for any target"
    if request.offline:
        raise BadInput("pip-compile cannot work offline", hint="use --resolver uv with --offline")
    if request.target.python != here:
        raise BadInput(
            f"pip-compile resolves for the Python it runs on: {here}, not {request.target.python}", hint=hint
        )
    if (sys.platform, platform.machine()) != ("linux", request.target.machine):
        raise BadInput(f"pip-compile resolves for this machine, not for {request.target.platform}", hint=hint)


def _pip_settings(folder: Path) -> dict[str, str]:
    """pip's configuration as `pip config list` prints it, by option name; the environment's part included."""
    done = run([sys.executable, "-m", "pip", "config", "list"], cwd=folder, timeout=120)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.strip().rpartition(".")
        if section in {"global", "install", ":env:"}:
            found[option] = value.strip().strip("'\"")
    return found


def _default_index(settings: Mapping[str, str]) -> str:
    # The tools know their default; its name is not lockgen's to know.
    return settings.get("index-url") or default_index()


def _compile(folder: Path, address: str, request: Request, settings: Mapping[str, str]) -> Finished:
    (folder / "requirements.in").write_text("\n".join(request.requirements) + "\n")
    (folder / "constraints.txt").write_text("\n".join(request.constraints) + "\n")
    kept = "".join(f"{name}=={version}\n" for name, version in request.preferences.items())
    (folder / "out.txt").write_text(kept)
    command = [sys.executable, "-m", "piptools", "compile", "requirements.in", "--output-file", "out.txt"]
    command += ["--constraint", "constraints.txt", "--index-url", f"{address}/{_INDEX}/simple/"]
    command += ["--no-config", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-trusted-host"]
    command += ["--no-emit-find-links", "--no-emit-options", "--allow-unsafe", "--strip-extras"]
    command += ["--resolver", "backtracking", "--no-reuse-hashes"]
    passed = {name: value for name, value in os.environ.items() if _PASSES.fullmatch(name)}
    (folder / "build-constraints.txt").write_text("\n".join(build_constraints(request)) + "\n")
    named = {f"PIP_{key.upper().replace('-', '_')}": settings[key] for key in _CONFIGURED if key in settings}
    fixed = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1", "PIP_NO_INPUT": "1"}
    fixed["PIP_BUILD_CONSTRAINT"] = str(folder / "build-constraints.txt")
    # The loopback index must not be looked for through somebody's proxy.
    bypass = {name: f"{passed.get(name, '')},127.0.0.1".lstrip(",") for name in ("no_proxy", "NO_PROXY")}
    return run(command, cwd=folder, env={**named, **passed, **fixed, **bypass}, timeout=_TIMEOUT)


@dataclass(frozen=True, slots=True)
class _Routed:
    """A project's usable files, best first. pip sees the first of each version: the one that is installed."""

    page: ProjectPage
    index: str | None

    @property
    def offered(self) -> ProjectPage:
        return replace(self.page, files=best_files(self.page.files))


class _Router:
    """The one index that pip sees. Remembers every page, since the solution's files are read from them."""

    def __init__(self, request: Request, default: str) -> None:
        self._request = request
        self._default = default
        self._http = Http()
        self._reader = MetadataReader(self._http)
        self._wheels: dict[str, IndexFile] = {}
        self._listed: dict[str, IndexFile] = {}
        self.reads_metadata = True
        self.unreadable: dict[str, LockgenError] = {}
        self._pages: dict[str, _Routed] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.failures: dict[str, LockgenError] = {}
        self.only_sources: dict[str, str] = {}

    def prefetch(self) -> None:
        """Reads the pages that are sure to be asked for, many at once: pip asks for one after the other."""
        lines = [*self._request.requirements, *self._request.constraints]
        names = {str(canonicalize_name(Requirement(line).name)) for line in lines} | set(self._request.preferences)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self._quietly, sorted(names)))

    def _quietly(self, project: str) -> None:
        try:
            self.routed(project)
        except LockgenError:
            return  # told if pip asks for it too

    def page(self, index: str, project: str) -> Served | None:
        routed = self.routed(project)
        if not routed.page.files:
            return None
        if routed.index is not None:
            return Served(routed.offered, own=True)
        page = routed.offered
        known = all(file.name in self._wheels for file in page.files)
        return Served(page, own=known and self.reads_metadata, hashed=False)

    def metadata(self, index: str, name: str) -> bytes | None:
        for explicit in self._request.indexes.values():
            if name in explicit.metadata:
                return metadata_text(explicit.metadata[name])
        wheel = self._wheels.get(name)
        if wheel is None:
            return None
        try:
            return metadata_text(self._reader.wheel(wheel))
        except LockgenError as error:
            self.unreadable[name] = error
            return None

    def location(self, index: str, name: str) -> str | None:
        """A build needs the wheels themselves: its backend's, and those of listed packages."""
        wheel = self._wheels.get(name) or self._listed.get(name)
        return wheel.url if wheel is not None else None

    def routed(self, project: str) -> _Routed:
        """The page of ``project`` from the index that it comes from.

        Raises:
            LockgenError: the default index cannot be read; kept in ``failures``.
        """
        with self._guard:
            lock = self._locks.setdefault(project, threading.Lock())
        with lock:
            if project in self.failures:
                raise self.failures[project]  # pip asks again and again
            if project not in self._pages:
                self._pages[project] = self._read(project)
            return self._pages[project]

    def offers(self, requirement: Requirement) -> bool:
        """Whether a usable file meets ``requirement``."""
        listed = self.routed(str(canonicalize_name(requirement.name))).page.files
        return any(requirement.specifier.contains(identity(file.name)[1], prereleases=True) for file in listed)

    def _read(self, project: str) -> _Routed:
        index = self._request.routes.get(project)
        if index is not None:
            explicit = self._request.indexes[index]
            listed = explicit.pages.get(project, ProjectPage(project, ())).files
            files = [replace(f, metadata_sha256="") for f in listed if f.sha256 and f.name in explicit.metadata]
            kept = usable_files(project, files, self._request.target, build=frozenset())
            self._listed |= {file.name: file for file in kept}
            return _Routed(ProjectPage(project, kept), index)
        if project in self._request.blocked:
            return _Routed(ProjectPage(project, ()), None)
        try:
            page = read_page(self._http, self._default, project)
        except LockgenError as error:
            self.failures[project] = error
            raise
        allowed = [file for file in page.files if self._allows(file)]
        usable = usable_files(project, allowed, self._request.target, self._request.build)
        if allowed and not usable:
            self.only_sources[project] = allowed[-1].name
        self._wheels |= {file.name: file for file in usable if file.name.endswith(".whl") and file.sha256}
        return _Routed(ProjectPage(project, usable), None)

    def _allows(self, file: IndexFile) -> bool:
        cut_off = self._request.exclude_newer
        # As uv does it: what has no upload time cannot be shown to be old enough.
        if cut_off is not None and (file.upload_time is None or file.upload_time >= cut_off):
            return False
        return self._request.target.admits(file.requires_python)


def _solution(path: Path, router: _Router) -> Solution:
    packages: dict[str, Resolved] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        name = str(canonicalize_name(requirement.name))
        version = Version(next(iter(requirement.specifier)).version)
        routed = router.routed(name)
        files = tuple(file for file in routed.page.files if identity(file.name)[1] == version)
        packages[name] = Resolved(name, str(version), routed.index, files)
    return Solution(packages)


_NO_MATCH = re.compile(
    r"(?:No matching distribution found for|Could not find a version that (?:matches|satisfies)[^\n]*?)"
    r" ([A-Za-z0-9][\w.-]*)"
)
_CHATTER = re.compile(
    r"^\s*(Using |Looking in|Collecting |Obtaining|Downloading |Discarding|WARNING: |INFO: |Requirement already"
    r"|Installing|To fix this|1\. loosen|2\. remove|.*pip is looking at|.*is still looking|Preparing metadata"
    r"|Building wheel|Getting)"
)


def _said(text: str) -> str:
    """What pip said for people: without its progress, and without pip-compile's own traceback (not a build's)."""
    before = text.split("\nTraceback (most recent call last):", 1)[0]
    lines = [line.rstrip() for line in before.splitlines() if not _CHATTER.match(line)]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


# pip names what conflicts in its exception only: RequirementInformation(requirement=...('numpy>=2'), parent=...)
_CAUSE = re.compile(r"RequirementInformation\(requirement=\w+\('([^']+)'\), parent=(?:None|\w+\('([^']*)'?)")
_LINKED = re.compile(r"([^/ ]+\.(?:whl|tar\.gz|zip))(?: |$)")


def _causes(text: str, router: _Router, request: Request) -> str:
    """The needs that cannot be met together, one a line; pip leaves out the pins among them."""
    lines, named = [], set()
    for need, parent in _CAUSE.findall(text):
        found = _LINKED.search(unquote(parent))
        asker = " ".join(map(str, identity(found[1]))) if found else "the family"
        lines.append(f"{asker} needs {need}")
        named.add(canonicalize_name(Requirement(need).name))
    pins = [pin for pin in map(Requirement, request.constraints) if canonicalize_name(pin.name) in named]
    lines += [f"the family pins {pin}{'' if router.offers(pin) else ', which the target cannot get'}" for pin in pins]
    return "\n".join(["these cannot hold together:", *dict.fromkeys(lines)]) if named else ""


def _failure(done: Finished, router: _Router, request: Request) -> LockgenError:
    text = done.stderr.strip()
    if router.failures:
        return ToolFailed.of(fault for error in router.failures.values() for fault in error.faults)
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=done.last_lines(), hint="free some space; nothing was written")
    if "ResolutionImpossible" in text or "No matching distribution" in text or "Could not find a version" in text:
        return NoResolution(
            "no solution", reason=_causes(text, router, request) or _said(text), hint=_hint(text, router)
        )
    if "metadata-generation-failed" in text or "subprocess-exited-with-error" in text or "Failed to build" in text:
        broken = re.search(r"Failed to build '([\w.-]+)'", text)
        return ToolFailed(f"{broken[1] if broken else 'a source distribution'} does not build", reason=_said(text))
    return ToolFailed(f"pip-compile stopped with exit code {done.code}", reason=done.last_lines(30) or None)


def _hint(text: str, router: _Router) -> str | None:
    named = {str(canonicalize_name(name)) for name in _NO_MATCH.findall(text)}
    names = sorted(named & router.only_sources.keys())
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in names)
    return f"no wheel of {', '.join(names)} runs on the target; to build it: [family] build = [{listed}]"
