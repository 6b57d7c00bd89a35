"""The build requirements of a source distribution, from its own backend (PEP 517).

Run as `python -m lockgen.index.pep517_hooks ARCHIVE OUT`, because a build runs foreign code: builds the wheel into OUT
and prints one JSON object. It has the requirements of `build-system.requires` and those that only the backend reports
(such as `setup_requires`).
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
    """Build ``archive`` into the folder ``out``. The JSON object is the last line, after the output of the build."""
    # In lockgen's temporary folder, so that nothing stays if this process is killed.
    with tempfile.TemporaryDirectory(prefix="source-", dir=Path.cwd()) as folder:
        source = _unpacked(Path(archive), Path(folder))
        with DefaultIsolatedEnv(installer="uv") as environment:
            builder = ProjectBuilder.from_isolated_env(environment, source)
            static = set(builder.build_system_requires)
            environment.install(static)
            # The backend runs only now: it can say what else it needs once its own requirements are installed.
            dynamic = set(builder.get_requires_for_build("wheel"))
            environment.install(dynamic)
            wheel = builder.build("wheel", out)
    answer = {"requires": sorted(static | dynamic), "wheel": wheel}
    print(json.dumps(answer))  # noqa: T201


def _unpacked(archive: Path, folder: Path) -> Path:
    """The top folder of the source distribution."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202 - zipfile keeps members inside
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return next(path for path in sorted(folder.iterdir()) if path.is_dir())


if __name__ == "__main__":
    main(*sys.argv[1:])
