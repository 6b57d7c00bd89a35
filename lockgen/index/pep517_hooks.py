"""What building a source distribution requires, asked of its own backend (PEP 517), in a process of its own.

Run as `python -m lockgen.index.pep517_hooks ARCHIVE OUT`: builds the wheel into OUT and prints one JSON object, its
requirements, those of `build-system.requires` and those that only the backend knows (`setup_requires` is such a one).
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from build import ProjectBuilder
from build.env import DefaultIsolatedEnv


def main(archive: str, out: str) -> None:
    """Builds ``archive`` into the folder ``out``; what the build itself says comes first."""
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        source = _unpacked(Path(archive), Path(folder))
        with DefaultIsolatedEnv(installer="uv") as environment:
            builder = ProjectBuilder.from_isolated_env(environment, source)
            static = set(builder.build_system_requires)
            environment.install(static)
            dynamic = set(builder.get_requires_for_build("wheel"))
            environment.install(dynamic)
            wheel = builder.build("wheel", out)
    print(json.dumps({"requires": sorted(static | dynamic), "wheel": wheel}))  # noqa: T201


def _unpacked(archive: Path, folder: Path) -> Path:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202 - zipfile keeps members inside
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return next(path for path in sorted(folder.iterdir()) if path.is_dir())


if __name__ == "__main__":
    main(*sys.argv[1:])
