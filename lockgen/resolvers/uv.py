"""uv as a resolver: one ``uv pip compile`` to a pylock.toml (PEP 751), which has the files with sizes and hashes.

uv gets the listed packages as a folder of PEP 503 pages (a ``file:`` URL) that it reads before the default index, with
their metadata as static ``dependency-metadata``. A loopback server would not work with ``--offline``, which forbids
loopback too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import IndexFile
from lockgen.core.parsing import parse_requirement
from lockgen.core.quoting import array, quoted
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.core.target_requirements import decided
from lockgen.errors import Fault, ToolFailed
from lockgen.index.explicit_files import listed_files
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import PREVIEW, settings
from lockgen.index.wheel_ranking import identity, usable_files, wheel_rank
from lockgen.io.background import now_waiting
from lockgen.io.find_uv import find_uv
from lockgen.io.http import Http
from lockgen.io.process import run
from lockgen.io.temporary import temporary_folder
from lockgen.io.uv import check_version, clean_environment, default_index, interpreter
from lockgen.resolvers.pylock_reader import PylockFile, PylockPackage, parse_pylock

PROJECT = "lockgen-family"
"""The name of the project that uv resolves. Messages to the user call it the family."""
_BUG = "report this as a bug of lockgen or of this version of uv. No files were changed."


class Uv:
    """The default resolver. ``time_limit`` is in seconds for each solve.

    The version of uv and its default index are looked up once for each object, so that all solves agree on them.
    """

    name = "uv"

    def __init__(self, time_limit: float = 600) -> None:
        self._time_limit = time_limit
        self._pages = Pages()

    @cached_property
    def _program(self) -> tuple[str, str]:
        """The path of uv and its version."""
        uv = find_uv()
        return uv, check_version(uv)

    @property
    def version(self) -> str:
        """The version, such as "uv 0.13.9"."""
        return self._program[1]

    @cached_property
    def default_index(self) -> str:
        """The URL of the default index, credentials included."""
        return default_index()

    def solve(self, request: Request) -> Solution:
        """See resolution.Resolver."""
        with temporary_folder() as folder:
            uv = self._program[0]
            python = interpreter(uv, request.target.python)
            return _Solve(uv, folder, request, self.default_index, self._time_limit, python, self._pages).run()


def create(http: Http, time_limit: float) -> Uv:
    """See `lockgen.resolvers`. uv sends its requests itself."""
    return Uv(time_limit)


@dataclass
class _Solve:
    """One run of uv, in its own folder."""

    uv: str
    folder: Path
    request: Request
    index: str
    time_limit: float
    python: str
    pages: Pages

    def run(self) -> Solution:
        self._write_inputs()
        environment = clean_environment(os.environ)
        command = self._command()
        done = run(command, cwd=self.folder, env=environment, timeout=self.time_limit, started=now_waiting)
        if done.code != 0:
            # Imported here, because most resolutions succeed.
            from lockgen.resolvers.uv_messages import uv_failure

            error = uv_failure(done.stderr.replace(PROJECT, "the family"), done.code, self.request)
            faults = [self._explained(fault) for fault in error.faults]
            raise type(error).of(faults)
        return _solution(self.folder / "pylock.toml", self.request)

    def _explained(self, fault: Fault) -> Fault:
        """``fault`` with the pins that the explicit indexes do not have: uv only reports missing versions."""
        lacking: list[str] = []
        for pin in map(parse_requirement, self.request.constraints):
            name = canonicalize_name(pin.name)
            index = self.request.routes.get(name)
            if index is None or self._offers(index, name, pin):
                continue
            lacking.append(f"index {index} has no {pin.name} {pin.specifier} that runs on the target")
            lacking += self._withheld(index, name, pin)
        if not lacking:
            return fault
        reason = "\n".join([fault.reason or "", *lacking])
        hint = "choose a version that the index has, or record the index again: lockgen index record NAME"
        return replace(fault, reason=reason.strip(), hint=hint)

    def _withheld(self, index: str, name: str, pin: Requirement) -> list[str]:
        """The files of ``pin`` that the index has, but that cannot be offered: without a hash or metadata."""
        found = []
        withheld = self.request.indexes[index].withheld
        for file, reason in sorted(withheld.items()):
            owner, version = identity(file)
            if owner == name and pin.specifier.contains(version, prereleases=True):
                found.append(f"{file} was left out: {reason}")
        return found

    def _offers(self, index: str, name: str, pin: Requirement) -> bool:
        explicit = self.request.indexes[index]
        offered = self.pages.offered(explicit, name, self.request.target)
        return any(pin.specifier.contains(version, prereleases=True) for version in offered)

    def _command(self) -> list[str]:
        target = self.request.target
        command = [self.uv, "pip", "compile", "pyproject.toml", "-o", "pylock.toml", "--quiet"]
        command += ["--config-file", "uv.toml", "--preview-features", f"{PREVIEW},pylock"]
        command += ["--python-version", target.latest_release, "--python-platform", target.uv_platform]
        command += ["--python", self.python, "--only-binary", ":all:"]
        for name in sorted(self.request.build):
            command += ["--no-binary", name]
        if self.request.offline:
            command.append("--offline")
        return command

    def _write_inputs(self) -> None:
        project = [
            "[project]",
            f'name = "{PROJECT}"',
            'version = "0"',
            f'requires-python = "=={self.request.target.python}.*"',
            f"dependencies = {array(sorted(decided(self.request.requirements, self.request.target)))}",
        ]
        (self.folder / "pyproject.toml").write_text("\n".join(project) + "\n")
        (self.folder / "uv.toml").write_text(settings(self.request, self.index, self.pages))
        _write_preferences(self.folder / "pylock.toml", self.request.preferences)


def _write_preferences(path: Path, preferences: Mapping[str, str]) -> None:
    """Write ``preferences`` as an earlier output: uv keeps its versions if they still fit."""
    if not preferences:
        return
    lines = ['lock-version = "1.0"', 'created-by = "lockgen"']
    for name, version in sorted(preferences.items()):
        lines += ["[[packages]]", f"name = {quoted(name)}", f"version = {quoted(version)}"]
    path.write_text("\n".join(lines) + "\n")


def _solution(pylock: Path, request: Request) -> Solution:
    try:
        packages = parse_pylock(pylock.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolFailed("uv wrote an invalid pylock.toml", reason=repr(error), hint=_BUG) from error
    return Solution({package.name: _resolved(package, request) for package in packages})


def _resolved(package: PylockPackage, request: Request) -> Resolved:
    name = package.name
    index = request.routes.get(name)
    # Files of an explicit index are those of its record: uv gets only their names and hashes.
    recorded: dict[str, IndexFile] = {}
    if index is not None:
        listed = listed_files(request.indexes[index], name)
        recorded = {file.name: file for file in listed}
    files: list[IndexFile] = []
    for file in package.files:
        if index is not None and file.name not in recorded:
            raise ToolFailed(f"uv chose {file.name}, which index {index} does not have", hint=_BUG)
        # Most wheels of a package are for other platforms.
        if file.name.endswith(".whl") and wheel_rank(file.name, request.target) is None:
            continue
        files.append(recorded.get(file.name) or _index_file(file))
    usable = usable_files(name, files, request.target, build=request.build)
    return Resolved(name, str(package.version), index, usable)


def _index_file(file: PylockFile) -> IndexFile:
    # Not vouched: if the page has no hash, uv downloads the file and computes one.
    return IndexFile(file.name, file.url, file.sha256, file.size, vouched=False)
