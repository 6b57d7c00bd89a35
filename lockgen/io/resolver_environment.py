"""What decides a resolution besides the project's files and lockgen's code."""

from __future__ import annotations

import os
from pathlib import Path

from lockgen.io.find_uv import find_uv


def resolver_environment() -> dict[str, object]:
    """uv itself, the variables that it and lockgen read, and the settings of the user and of the machine."""
    return {
        "uv": file_state(Path(find_uv())),
        # The user's own settings name the default index.
        "environment": sorted(item for item in os.environ.items() if item[0].startswith(("UV_", "PIP_"))),
        "settings": [file_state(path) for path in _settings()],
    }


def file_state(path: Path) -> list[object]:
    """The size and the time of a file: large files need not be read to see that they are the same."""
    try:
        status = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), status.st_size, status.st_mtime_ns]


def _settings() -> list[Path]:
    """Where uv looks for settings."""
    user = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [Path(user, "uv/uv.toml"), Path("/etc/xdg/uv/uv.toml"), Path("/etc/uv/uv.toml")]
