"""Asking the backend of a source distribution, for those that do not declare their requirements statically."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from lockgen.core.archives import BadArchive, open_zip, read_member
from lockgen.core.documents import parse_json
from lockgen.core.resolution import Request
from lockgen.errors import NoResolution, ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment
from lockgen.io.find_uv import find_uv
from lockgen.io.process import run
from lockgen.io.uv import clean_environment, default_index, found_interpreter

Wanted = Literal["requires", "metadata", "wheel"]
"""How far to go: only the build requirements, the metadata too, or the wheel."""

_LARGEST_METADATA = 5 * 1024 * 1024
_TIMEOUT = 1800
_HINT = "install what it needs to build, or pin a version that has a wheel"


def ask_backend(folder: Path, archive: str, request: Request, wanted: Wanted) -> Mapping[str, object]:
    """The answer of `pep517_hooks` about ``archive`` in ``folder``.

    Raises:
        NoResolution: a build requirement is by URL.
        ToolFailed: the backend failed, or this machine does not have the target's Python.
    """
    uv = find_uv()
    python = found_interpreter(uv, request.target.python)
    if python is None and request.other_python:
        python = sys.executable
    if python is None:
        raise ToolFailed(
            f"{archive} states its requirements only when it is built, with Python {request.target.python},"
            " which is not on this machine",
            hint=f"install it (uv python install {request.target.python}), or pin a version that has a wheel",
        )
    # The folder of pages is removed with this object: it must live until the build is done.
    pages = Pages()
    environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
    out = folder / "out"
    out.mkdir()
    command = [sys.executable, "-m", "lockgen.index.pep517_hooks", wanted, archive, str(out), uv, python]
    done = run(command, cwd=folder, env=environment, timeout=_TIMEOUT)
    if done.code != 0:
        raise ToolFailed(f"{archive} does not build", reason=done.last_lines(30), hint=_HINT)
    # The backend itself may print anything before the last line.
    answer: Mapping[str, object] = parse_json(done.stdout.splitlines()[-1])
    by_url = answer.get("by-url")
    if by_url is not None:
        raise NoResolution(
            f"the build of {archive} requires `{by_url}`: a requirement by URL cannot be locked",
            hint="pin a version that has a wheel, or one whose build requires it by name",
        )
    return answer


def built_metadata(folder: Path, archive: str, request: Request) -> bytes:
    """The METADATA of ``archive`` (in ``folder``), from its backend.

    Raises:
        NoResolution, ToolFailed: see `ask_backend`.
    """
    answer = ask_backend(folder, archive, request, "metadata")
    if "metadata" in answer:
        path = Path(str(answer["metadata"])) / "METADATA"
        try:
            with path.open("rb") as file:
                return file.read(_LARGEST_METADATA)
        except OSError as error:
            raise ToolFailed(f"the backend of {archive} prepared no METADATA", reason=str(error)) from error
    return _wheel_metadata(Path(str(answer["wheel"])), archive)


def _wheel_metadata(wheel: Path, archive: str) -> bytes:
    try:
        with wheel.open("rb") as file, open_zip(file) as opened:
            names = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
            if names:
                return read_member(opened, names[0], _LARGEST_METADATA)
    except BadArchive as error:
        raise ToolFailed(f"{archive} builds {wheel.name}, which is not a wheel", reason=str(error)) from error
    raise ToolFailed(f"{archive} builds {wheel.name}, which has no METADATA")
