"""Install a solution into a temporary environment with uv, and import its packages there."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lockgen.compat.elf import binaries
from lockgen.compat.install_model import Binary, InstallStatus
from lockgen.compat.install_render import hashed_requirements, import_check
from lockgen.core.resolution import Request, Resolved
from lockgen.core.target import Target
from lockgen.errors import ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment
from lockgen.io.find_uv import find_uv
from lockgen.io.process import Finished, run
from lockgen.io.temporary import temporary_folder
from lockgen.io.uv import clean_environment, default_index

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

# How often uv retried differs from run to run, and does not help the reader.
_RETRIED = re.compile(r"Request failed after \d+ retries.*")
_LABEL = re.compile(r"^\W*(error|cause):\s*")
_MISSING_LIBRARY = re.compile(r"(\S+\.so[\d.]*): cannot open shared object file")


@dataclass(frozen=True, slots=True)
class InstallAttempt:
    """The result of an installation. ``binaries`` are the installed shared objects."""

    status: InstallStatus
    reason: str = ""
    binaries: tuple[Binary, ...] = ()


def platform_mismatch(target: Target) -> str:
    """Why this machine cannot run the packages of ``target``; "" if it can."""
    own_name = platform.machine().lower()
    machine = _MACHINES.get(own_name, own_name)
    if sys.platform != "linux" or machine != target.machine:
        return f"the target is {target.platform}, but this machine is {sys.platform}/{machine}"
    return ""


def install(rows: Sequence[Resolved], request: Request, imports: Sequence[str], *, seconds: float) -> InstallAttempt:
    """Install exactly ``rows`` on the Python of ``request``, and import the modules of the packages ``imports``.

    Build requirements of source distributions come from the indexes of ``request``. Everything takes place in a
    temporary folder, with uv's own cache. ``seconds`` is the timeout of each step.

    Raises:
        ToolFailed: uv was not found.
    """
    with temporary_folder("install-") as folder:
        # A variable, as the pages are removed with their object.
        pages = Pages()
        environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
        uv = _Uv(find_uv(), folder, environment, seconds)
        try:
            uv.create_environment(request.target.python)
            uv.install(rows, offline=request.offline)
        except _InstallFailed as error:
            return InstallAttempt(error.status, error.reason)
        installed = tuple(binaries(_site_packages(folder)))
        status, reason = _import(folder, imports, seconds)
        return InstallAttempt(status, reason, installed)


def _site_packages(folder: Path) -> Path:
    return next((folder / "venv" / "lib").glob("python*/site-packages"))


class _InstallFailed(Exception):
    def __init__(self, status: InstallStatus, reason: str) -> None:
        super().__init__(reason)
        self.status: InstallStatus = status
        self.reason = reason


@dataclass(frozen=True)
class _Uv:
    """The calls of uv in ``folder``. Each raises _InstallFailed, also after a timeout."""

    path: str
    folder: Path
    environment: Mapping[str, str]
    seconds: float

    def create_environment(self, python: str) -> None:
        arguments = ["python", "find", "--no-project", python]
        found = self._run(arguments, "finding Python", most=60)
        if found.code != 0:
            raise _InstallFailed("unknown", f"Python {python} is not installed on this machine")
        interpreter = found.stdout.strip()
        arguments = ["venv", "--no-project", "-q", "--python", interpreter, "venv"]
        created = self._run(arguments, "creating a virtual environment", most=600)
        if created.code != 0:
            raise _InstallFailed("unknown", f"creating a virtual environment: {_summary(created)}")

    def install(self, rows: Sequence[Resolved], *, offline: bool) -> None:
        requirements = self.folder / "requirements.txt"
        requirements.write_text(hashed_requirements(rows), encoding="utf-8")
        arguments = ["pip", "install", "-q", "--python", "venv/bin/python", "-r", "requirements.txt"]
        arguments += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
        for row in rows:
            has_wheel = any(file.name.endswith(".whl") for file in row.files)
            if not has_wheel:
                arguments += ["--no-binary", row.name]
        if offline:
            arguments.append("--offline")
        done = self._run(arguments, "installing", most=self.seconds)
        if done.code != 0:
            raise _install_failure(done)

    def _run(self, arguments: list[str], step: str, *, most: float) -> Finished:
        timeout = min(most, self.seconds)
        try:
            return run([self.path, *arguments], cwd=self.folder, env=self.environment, timeout=timeout)
        except ToolFailed as error:
            raise _InstallFailed("unknown", f"{step}: {error}") from error


def _install_failure(done: Finished) -> _InstallFailed:
    # Only a wrong hash would fail in an image, too. Everything else may be due to this machine or its network.
    if "Hash mismatch" in done.stderr:
        return _InstallFailed("no", f"an index serves a file with another hash than the resolved one: {_summary(done)}")
    if "Failed to build" in done.stderr:
        return _InstallFailed("unknown", f"a source distribution does not build on this machine: {_summary(done)}")
    return _InstallFailed("unknown", f"a package cannot be installed: {_summary(done)}")


def _summary(done: Finished) -> str:
    """uv's error in one line: what failed, and the last cause."""
    lines = []
    for line in done.stderr.splitlines():
        text = _LABEL.sub("", line.strip())
        if text and not text.startswith("hint:") and not _RETRIED.fullmatch(text):
            lines.append(text)
    if not lines:
        return f"uv exited with code {done.code}"
    if len(lines) == 1:
        return lines[0]
    return f"{lines[0].rstrip(':')}: {lines[-1]}"


# -- imports ------------------------------------------------------------------


def _import(folder: Path, packages: Sequence[str], seconds: float) -> tuple[InstallStatus, str]:
    log = folder / "imports.log"
    try:
        done = _run_import_check(folder, packages, log, seconds)
    except ToolFailed as error:
        return "unknown", f"importing {_last_begun(log)}: {error}"
    failures = [_split_failure(line) for line in _lines(log) if line.startswith("failed ")]
    if failures:
        return _import_failure(failures)
    imported = [line for line in _lines(log) if line.startswith("done ")]
    # A module can also exit with code 0, before the rest is imported.
    if done.code == 0 and len(imported) == len(set(packages)):
        return "yes", ""
    return "no", f"importing {_last_begun(log)} ended the process with {_ending(done.code)}"


def _ending(code: int) -> str:
    # subprocess reports a signal as a negative code.
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _run_import_check(folder: Path, packages: Sequence[str], log: Path, seconds: float) -> Finished:
    home = folder / "home"
    home.mkdir()
    program = folder / "import_check.py"
    program.write_text(import_check(packages), encoding="utf-8")
    python = folder / "venv/bin/python"
    command = [str(python), "-I", "-B", str(program), str(log)]
    return run(command, cwd=home, env=_import_environment(home), timeout=seconds)


def _import_environment(home: Path) -> dict[str, str]:
    # The packages are untrusted code, so they get nothing from the caller's environment.
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        # Installed files may be links into uv's cache, which must not change.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _lines(log: Path) -> list[str]:
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _last_begun(log: Path) -> str:
    begun = [line.removeprefix("begin ") for line in _lines(log) if line.startswith("begin ")]
    return begun[-1] if begun else "the packages"


class _ImportFailure(NamedTuple):
    package: str
    error: str


def _split_failure(line: str) -> _ImportFailure:
    _, package, error = line.split(" ", 2)
    return _ImportFailure(package, error)


def _import_failure(failures: Sequence[_ImportFailure]) -> tuple[InstallStatus, str]:
    for failure in failures:
        # The image may have a library that this machine lacks. Any other error would occur in the image, too.
        if not _MISSING_LIBRARY.search(failure.error):
            return "no", f"{failure.package} cannot be imported: {failure.error}"
    first = failures[0]
    match = _MISSING_LIBRARY.search(first.error)
    library = match[1] if match is not None else "a library"
    return "unknown", f"{first.package} needs {library}, which this machine does not have"
