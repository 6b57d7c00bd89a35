"""Finding uv. Apart from `uv.py`, because an unchanged `resolve` needs nothing else about uv."""

from __future__ import annotations

import shutil

from lockgen.errors import ToolFailed


def find_uv() -> str:
    """The uv that was installed with lockgen, else the one on PATH.

    Raises:
        ToolFailed: there is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolFailed("uv was not found", hint="install it next to lockgen: pip install uv")
    return found
