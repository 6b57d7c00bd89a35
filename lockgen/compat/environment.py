"""A solution installed into a throw-away environment by uv, and what it holds imported there."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgen.compat.elf import binaries
from lockgen.compat.install_model import Binary, InstallStatus
from lockgen.compat.install_render import hashed, import_check
from lockgen.core.resolution import Request, Resolved
from lockgen.core.target import Target
from lockgen.errors import ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment
from lockgen.io.process import Finished, run
from lockgen.io.uv import clean_environment, default_index, find_uv

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. ``binaries`` are those of what was installed, none where nothing was."""

    status: InstallStatus
    reason: str = ""
    binaries: tuple[Binary, ...] = ()


def unfit(target: Target) -> str:
    """Why this machine cannot run what ``target`` runs; "" where it can."""
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform != "linux" or machine != target.machine:
        return f"the target is {target.platform}, this machine {sys.platform}/{machine}"
    return ""


def install(rows: Sequence[Resolved], request: Request, needs: Sequence[str], *, seconds: float) -> Tried:
    """Installs exactly ``rows`` on the Python of ``request``, and imports what the packages ``needs`` hold.

    What building a source distribution requires comes from where the routes of ``request`` say.

    It takes place in a folder that is gone afterwards, with uv's cache; ``seconds`` are the most for each of the two.
    """
    uv = find_uv()
    with tempfile.TemporaryDirectory(prefix="lockgen-install-") as name:
        folder = Path(name)
        pages = Pages()
        environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
        python = request.target.python
        found = run([uv, "python", "find", "--no-project", python], cwd=folder, env=environment, timeout=60)
        if found.code != 0:
            return Tried("unknown", f"there is no Python {python} on this machine")
        interpreter = found.stdout.strip()
        made = run([uv, "venv", "--no-project", "-q", "--python", interpreter, "venv"], cwd=folder, env=environment)
        if made.code != 0:
            return Tried("unknown", f"no environment could be made: {_told(made)}")
        try:
            done = _install(uv, folder, rows, environment, offline=request.offline, seconds=seconds)
        except ToolFailed as error:
            return Tried("unknown", f"installing: {error}")
        if done.code != 0:
            return Tried(*_refused(done))
        held = tuple(binaries(_site(folder)))
        return Tried(*_imported(folder, needs, seconds), held)


def _install(
    uv: str, folder: Path, rows: Sequence[Resolved], environment: dict[str, str], *, offline: bool, seconds: float
) -> Finished:
    (folder / "requirements.txt").write_text(hashed(rows), encoding="utf-8")
    command = [uv, "pip", "install", "-q", "--python", "venv/bin/python", "-r", "requirements.txt"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    for row in rows:
        if not any(file.name.endswith(".whl") for file in row.files):
            command += ["--no-binary", row.name]
    return run(command + (["--offline"] if offline else []), cwd=folder, env=environment, timeout=seconds)


def _site(folder: Path) -> Path:
    return next((folder / "venv" / "lib").glob("python*/site-packages"))


# How long it tried differs from run to run, and says nothing.
_RETRIED = re.compile(r"Request failed after \d+ retries.*")


def _refused(done: Finished) -> tuple[InstallStatus, str]:
    """Only another hash would be so in an image too. All else is what this machine, or its network, cannot do."""
    if "Hash mismatch" in done.stderr:
        return "no", f"an index serves other bytes than those resolved: {_told(done)}"
    if "Failed to build" in done.stderr:
        return "unknown", f"a source does not build on this machine: {_told(done)}"
    return "unknown", f"it cannot be had: {_told(done)}"


def _told(done: Finished) -> str:
    """What uv says in one line: what failed, and the last cause of it."""
    lines = [re.sub(r"^\W*(error|cause):\s*", "", line.strip()) for line in done.stderr.splitlines()]
    lines = [line for line in lines if line and not _RETRIED.fullmatch(line) and not line.startswith("hint:")]
    if not lines:
        return f"uv stopped with exit code {done.code}"
    return lines[0] if len(lines) == 1 else f"{lines[0].rstrip(':')}: {lines[-1]}"


def _imported(folder: Path, needs: Sequence[str], seconds: float) -> tuple[InstallStatus, str]:
    (folder / "home").mkdir()
    (folder / "import_check.py").write_text(import_check(needs), encoding="utf-8")
    told = folder / "told.txt"
    # Code of strangers: nothing of the caller's environment, and no bytecode into files that are uv's cache by a link.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"LC_ALL": "C.UTF-8", "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder / "home")}
    command = [str(folder / "venv/bin/python"), "-I", "-B", str(folder / "import_check.py"), str(told)]
    try:
        done = run(command, cwd=folder / "home", env=environment, timeout=seconds)
    except ToolFailed as error:
        return "unknown", f"importing {_last(told)}: {error}"
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines() if told.exists() else []
    if failed := [line.split(" ", 2)[1:] for line in lines if line.startswith("failed ")]:
        return _failed(failed)
    if len([line for line in lines if line.startswith("done ")]) < len(set(needs)) or done.code != 0:
        return "no", f"importing {_last(told)} ended the process with {_ending(done.code)}"
    return "yes", ""


_LACKS = re.compile(r"(\S+\.so[\d.]*): cannot open shared object file")


def _failed(failed: Sequence[Sequence[str]]) -> tuple[InstallStatus, str]:
    """A library that this machine lacks may be in the image: no verdict. Any other failure would be the image's too."""
    texts = [f"{name} cannot be imported: {text}" for name, text in failed]
    own = [text for text in texts if not _LACKS.search(text)]
    if own:
        return "no", own[0]
    name, text = failed[0]
    library = _LACKS.search(text)
    return "unknown", f"{name} needs {library[1] if library else 'a library'}, which this machine does not have"


def _last(told: Path) -> str:
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines() if told.exists() else []
    begun = [line.removeprefix("begin ") for line in lines if line.startswith("begin ")]
    return begun[-1] if begun else "nothing yet"


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
