"""Run the checks of images on this machine: one environment, which becomes that of each image in turn.

uv changes only the difference between two images, so a layer that they share is installed once. Where bubblewrap works,
checks have no network, and can write only into folders in memory; the environment is read-only for them. Without it, an
environment is never used for a second image.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lockgen.core.resolution import Request, Resolved
from lockgen.core.target import Target
from lockgen.errors import ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_constraints, build_environment
from lockgen.io.find_uv import find_uv
from lockgen.io.process import Finished, run
from lockgen.io.sandbox import Mount, Sandbox, find_sandbox
from lockgen.io.temporary import remove_folder
from lockgen.io.uv import clean_environment, default_index
from lockgen.proof import supervisor
from lockgen.proof.check_run import (
    MOST_WRITTEN,
    CannotRun,
    Inside,
    control_files,
    most_seconds,
    result_of,
    supervisor_plan,
    variables_of_checks,
)
from lockgen.proof.elf import binaries
from lockgen.proof.model import Binary, Checks, ImageRun, Problem
from lockgen.proof.requirements import hashed_requirements

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_SCRATCH = "/tmp"  # noqa: S108  # of the sandbox: it is empty, and in memory

# How often uv retried differs from run to run, and does not help the reader.
_RETRIED = re.compile(r"Request failed after \d+ retries.*")
_LABEL = re.compile(r"^\W*(error|cause):\s*")


def platform_mismatch(target: Target) -> str:
    """Why this machine cannot run the packages of ``target``; "" if it can."""
    own_name = platform.machine().lower()
    machine = _MACHINES.get(own_name, own_name)
    if sys.platform != "linux" or machine != target.machine:
        return f"the target is {target.platform}, but this machine is {sys.platform}/{machine}"
    return ""


class AppFile(NamedTuple):
    """A file or folder of the project that the image has, ``path`` relative to its working directory."""

    source: Path
    path: str


@dataclass
class LocalPlace:
    """A place for runs of images with one target, in ``folder``, a temporary folder.

    ``request`` has the indexes that builds of source distributions may use. ``seconds`` is the timeout of an
    installation.
    """

    folder: Path
    request: Request
    seconds: float = 1800
    sandbox: Sandbox | None = field(default_factory=find_sandbox)
    _pages: Pages = field(default_factory=Pages)

    @property
    def name(self) -> str:
        """What a report says about this place."""
        if self.sandbox is not None:
            return "on this machine, isolated by bubblewrap"
        return "on this machine, not isolated: bubblewrap is not installed or not allowed"

    @property
    def is_isolated(self) -> bool:
        return self.sandbox is not None

    def run(
        self, rows: Sequence[Resolved], checks: Checks, files: Sequence[AppFile], environment: Mapping[str, str]
    ) -> ImageRun:
        """Install exactly ``rows`` and run ``checks``. ``environment`` are variables of the image.

        Raises:
            CannotRun: the environment cannot be created here.
        """
        try:
            wrong = self._install(rows)
        except CannotRun:
            # The next image must not get what was left half installed.
            remove_folder(self.folder / "venv")
            raise
        if wrong is not None:
            return ImageRun("no", problems=(wrong,))
        text = self._supervise(checks, files, environment)
        return result_of(checks, text, in_image=False)

    def binaries(self) -> list[Binary]:
        """The shared objects of the installed packages."""
        found = sorted((self.folder / "venv/lib").glob("python*/site-packages"))
        return binaries(found[0]) if found else []

    # -- the environment -------------------------------------------------------------

    def _install(self, rows: Sequence[Resolved]) -> Problem | None:
        """Make the environment hold exactly ``rows``. Returns what would fail in an image, too."""
        mismatch = platform_mismatch(self.request.target)
        if mismatch:
            raise CannotRun(mismatch)
        _check_hashes(rows)
        if not self.is_isolated:
            # An earlier check could have changed it.
            remove_folder(self.folder / "venv")
        if not (self.folder / "venv").exists():
            self._create()
        requirements = hashed_requirements(rows, self.request.indexes)
        (self.folder / "requirements.txt").write_text(requirements, encoding="utf-8")
        arguments = [
            "pip",
            "sync",
            "-q",
            "--python",
            "venv/bin/python",
            "requirements.txt",
            "--allow-empty-requirements",
        ]
        arguments += ["--require-hashes", "--only-binary", ":all:"]
        for row in rows:
            has_wheel = any(file.name.endswith(".whl") for file in row.files)
            if not has_wheel:
                arguments += ["--no-binary", row.name]
        constraints = build_constraints(self.request)
        if constraints:
            # `uv pip sync` does not read those of the settings.
            (self.folder / "build-constraints.txt").write_text("\n".join(constraints) + "\n", encoding="utf-8")
            arguments += ["--build-constraints", "build-constraints.txt"]
        if self.request.offline:
            arguments.append("--offline")
        done = self._uv(arguments, "installing")
        if "Hash mismatch" in done.stderr:
            text = f"an index serves a file with another hash than the resolved one: {summary(done)}"
            return Problem("install", "uv", text)
        if done.code != 0:
            raise CannotRun(_install_failure(done))
        return None

    def _create(self) -> None:
        python = self.request.target.python
        found = self._uv(["python", "find", "--no-project", python], "finding Python")
        if found.code != 0:
            raise CannotRun(f"Python {python} is not installed on this machine")
        arguments = ["venv", "--no-project", "-q", "--python", found.stdout.strip(), "venv"]
        created = self._uv(arguments, "creating a virtual environment")
        if created.code != 0:
            raise CannotRun(f"creating a virtual environment: {summary(created)}")

    def _uv(self, arguments: Sequence[str], step: str) -> Finished:
        settings = build_environment(
            self.folder, self.request, default_index(), self._pages, clean_environment(os.environ)
        )
        try:
            return run([find_uv(), *arguments], cwd=self.folder, env=settings, timeout=self.seconds)
        except ToolFailed as error:
            raise CannotRun(f"{step}: {error}") from error

    # -- the checks --------------------------------------------------------------------

    def _supervise(self, checks: Checks, files: Sequence[AppFile], environment: Mapping[str, str]) -> str:
        """Run ``checks`` under the supervisor, and return its report."""
        layout = self._sandboxed() if self.is_isolated else self._outside(files)
        control = self.folder / "checks"
        control.mkdir(exist_ok=True)
        variables = self._variables(checks, layout) | dict(environment)
        plan = supervisor_plan(checks, layout, variables, is_alone=self.is_isolated)
        programs = {**control_files(checks), "supervisor.py": supervisor.source(), "plan.json": json.dumps(plan)}
        for name, text in programs.items():
            (control / name).write_text(text, encoding="utf-8")
        argv = [layout.python, "-I", "-S", f"{layout.control}/supervisor.py", f"{layout.control}/plan.json"]
        try:
            done = run(self._command(argv, checks, files), cwd=self.folder, env=_BARE, timeout=most_seconds(checks))
        except ToolFailed as error:
            raise CannotRun(f"running the checks: {error}") from error
        if done.code != 0:
            raise CannotRun(f"running the checks: {done.last_lines(3)}")
        return done.stdout

    def _command(self, argv: Sequence[str], checks: Checks, files: Sequence[AppFile]) -> list[str]:
        if self.sandbox is None:
            return list(argv)
        venv = self.folder / "venv"
        interpreter = (venv / "bin/python").resolve()
        mounts = [
            Mount(interpreter.parent.parent, interpreter.parent.parent),
            Mount(venv, venv),
            Mount(self.folder / "checks", Path("/checks")),
            *(Mount(file.source, Path("/app", file.path)) for file in files),
        ]
        return self.sandbox.command(
            argv, mounts=mounts, scratch=(_SCRATCH, "/app"), size=MOST_WRITTEN, network=checks.limits.network
        )

    @property
    def _python(self) -> str:
        return str(self.folder / "venv/bin/python")

    def _sandboxed(self) -> Inside:
        return Inside("/checks", _SCRATCH, "/app", self._python)

    def _outside(self, files: Sequence[AppFile]) -> Inside:
        """The layout without a sandbox, with copies of ``files``."""
        import shutil

        for name in ("scratch", "app"):
            remove_folder(self.folder / name)
            (self.folder / name).mkdir()
        for file in files:
            target = self.folder / "app" / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.source.is_dir():
                shutil.copytree(file.source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(file.source, target)
        control, scratch, app = (str(self.folder / name) for name in ("checks", "scratch", "app"))
        return Inside(control, scratch, app, self._python)

    def _variables(self, checks: Checks, layout: Inside) -> dict[str, str]:
        """The environment of the checks: nothing of the caller's, as packages are untrusted code."""
        return {
            **variables_of_checks(checks, layout),
            "PATH": f"{self.folder / 'venv/bin'}:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.folder / "venv"),
            "LC_ALL": "C.UTF-8",
        }


def _check_hashes(rows: Sequence[Resolved]) -> None:
    for row in rows:
        # Without a hash for each file, uv would install whatever the index serves now.
        if not row.files or any(file.sha256 is None for file in row.files):
            raise CannotRun(f"{row.name} {row.version} has no file with a hash that runs on the target")


_BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def _install_failure(done: Finished) -> str:
    if "Failed to build" in done.stderr:
        return f"a source distribution does not build on this machine: {summary(done)}"
    return f"a package cannot be installed: {summary(done)}"


def summary(done: Finished) -> str:
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
