"""Building a source distribution to learn what it requires: only where it does not say so itself."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from lockgen.core.resolution import Request
from lockgen.errors import ToolFailed
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment
from lockgen.io.process import run
from lockgen.io.uv import clean_environment, default_index, find_uv, interpreter


def build_wheel(folder: Path, archive: str, request: Request) -> bytes:
    """METADATA of the wheel that ``archive`` (in ``folder``) builds to, in an isolated environment (PEP 517).

    Raises:
        ToolFailed: it does not build.
    """
    uv = find_uv()
    pages = Pages()
    environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
    # Not --quiet: that would keep back what the build itself says.
    command = [uv, "build", "--wheel", "--out-dir", "built"]
    done = run([*command, "--python", interpreter(uv, request.target.python), archive], cwd=folder, env=environment)
    wheels = sorted((folder / "built").glob("*.whl"))
    if done.code != 0 or not wheels:
        raise ToolFailed(
            f"{archive} does not build, and only a build says what it requires",
            reason=done.last_lines(30),
            hint="install what it needs to build, or pin a version that has a wheel",
        )
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))
    except (zipfile.BadZipFile, StopIteration) as error:
        raise ToolFailed(f"{archive} builds to {wheels[0].name}, which holds no METADATA") from error
