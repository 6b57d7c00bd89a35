"""Building a source distribution to find its requirements, for those that do not declare them statically."""

from __future__ import annotations

import os
from pathlib import Path

from lockgen.core.archives import BadArchive, open_zip, read_member
from lockgen.core.resolution import Request
from lockgen.errors import ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment
from lockgen.io.find_uv import find_uv
from lockgen.io.process import run
from lockgen.io.uv import clean_environment, default_index, interpreter

_LARGEST_METADATA = 5 * 1024 * 1024


def build_wheel(folder: Path, archive: str, request: Request) -> bytes:
    """The METADATA of the wheel that ``archive`` (in ``folder``) builds, in an isolated environment (PEP 517).

    Raises:
        ToolFailed: it does not build.
    """
    uv = find_uv()
    # The folder of pages is removed with this object: it must live until the build is done.
    pages = Pages()
    environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
    # Not --quiet: that would suppress the output of the build itself.
    command = [uv, "build", "--wheel", "--out-dir", "built"]
    command += ["--python", interpreter(uv, request.target.python), archive]
    done = run(command, cwd=folder, env=environment)
    wheels = sorted((folder / "built").glob("*.whl"))
    if done.code != 0 or not wheels:
        raise ToolFailed(
            f"{archive} does not build, and its requirements are known only after a build",
            reason=done.last_lines(30),
            hint="install what it needs to build, or pin a version that has a wheel",
        )
    return _wheel_metadata(wheels[0], archive)


def _wheel_metadata(wheel: Path, archive: str) -> bytes:
    try:
        with wheel.open("rb") as file, open_zip(file) as opened:
            names = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
            if names:
                return read_member(opened, names[0], _LARGEST_METADATA)
    except BadArchive as error:
        raise ToolFailed(f"{archive} builds {wheel.name}, which is not a wheel", reason=str(error)) from error
    raise ToolFailed(f"{archive} builds {wheel.name}, which has no METADATA")
