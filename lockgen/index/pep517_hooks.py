"""What the backend of a source distribution says (PEP 517): build requirements, metadata, or a wheel.

Run as `python -m lockgen.index.pep517_hooks WANTED ARCHIVE OUT UV PYTHON`, because a backend is foreign code. It runs
in an environment of PYTHON, the target's. Prints one JSON object as the last line: the requirements of
`build-system.requires` and those that only the backend reports (such as `setup_requires`), and the path of the metadata
or of the wheel. WANTED says how far to go: "requires", "metadata" or "wheel". A wheel is built for the metadata only if
the backend has no hook that prepares it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from build import ProjectBuilder
from packaging.requirements import InvalidRequirement

from lockgen.core.archives import BadArchive, extract_zip, open_zip, tar_members
from lockgen.core.parsing import parse_requirement
from lockgen.index.sdist_reader import MOST_UNPACKED
from lockgen.io.process import run


class _ByUrl(Exception):
    """A build requirement by URL: nothing is installed from there."""


class _Environment:
    """An isolated environment of the target's Python (`build.env.IsolatedEnv`)."""

    def __init__(self, folder: Path, uv: str, python: str) -> None:
        self._uv = uv
        self._folder = folder
        self._run("venv", "--quiet", "--python", python, str(folder))

    @property
    def python_executable(self) -> str:
        return str(self._folder / "bin/python")

    def make_extra_environ(self) -> Mapping[str, str]:
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": f"{self._folder / 'bin'}{os.pathsep}{path}"}

    def install(self, requirements: Iterable[str]) -> None:
        """Install ``requirements``, unless one is by URL."""
        lines = sorted(requirements)
        for line in lines:
            _refuse_url(line)
        if lines:
            self._run("pip", "install", "--python", self.python_executable, *lines)

    def _run(self, *arguments: str) -> None:
        done = run([self._uv, *arguments], cwd=Path.cwd())
        if done.code != 0:
            # Prints it to stderr.
            sys.exit(done.stderr)


def _refuse_url(line: str) -> None:
    try:
        requirement = parse_requirement(line)
    except InvalidRequirement:
        # uv says what is wrong with it.
        return
    if requirement.url is not None:
        raise _ByUrl(line)


def main(wanted: str, archive: str, out: str, uv: str, python: str) -> None:
    """Print the answer about ``archive``; files go to the folder ``out``."""
    try:
        answer = _answer(wanted, Path(archive), out, uv, python)
    except _ByUrl as error:
        answer = {"by-url": str(error)}
    print(json.dumps(answer))  # noqa: T201


def _answer(wanted: str, archive: Path, out: str, uv: str, python: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="lockgen-") as name:
        folder = Path(name)
        source = _unpacked(archive, folder / "source")
        environment = _Environment(folder / "environment", uv, python)
        builder = ProjectBuilder.from_isolated_env(environment, source)
        static = set(builder.build_system_requires)
        environment.install(static)
        # The backend runs only now: it can say what else it needs once its own requirements are installed.
        dynamic = set(builder.get_requires_for_build("wheel"))
        environment.install(dynamic)
        answer: dict[str, object] = {"requires": sorted(static | dynamic)}
        if wanted == "metadata":
            prepared = builder.prepare("wheel", out)
            if prepared is not None:
                return {**answer, "metadata": prepared}
        if wanted != "requires":
            answer["wheel"] = builder.build("wheel", out)
    return answer


def _unpacked(archive: Path, folder: Path) -> Path:
    """The top folder of the source distribution, unpacked to ``folder``."""
    folder.mkdir()
    try:
        with archive.open("rb") as stream:
            _extract(stream, folder, is_zip=archive.name.endswith(".zip"))
    except BadArchive as error:
        sys.exit(f"{archive.name} is not a source distribution: {error}")
    found = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if not found:
        sys.exit(f"{archive.name} is not a source distribution: it has no folder")
    return found[0]


def _extract(stream: IO[bytes], folder: Path, *, is_zip: bool) -> None:
    if is_zip:
        with open_zip(stream) as packed:
            extract_zip(packed, str(folder), MOST_UNPACKED)
        return
    for member in tar_members(stream, MOST_UNPACKED):
        member.extract(str(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
