"""`explain` on a family of 390 pinned packages with four conflicts, with the tests' index on loopback.

`python bench/many.py` measures it alone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measuring import Command

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests"))

from support.index import LocalIndex, serving  # noqa: E402

Row = tuple[str, str, str]
PACKAGES, CONFLICTS, SIZE = 390, 4, 3
LOCKGEN = [sys.executable, "-m", "lockgen", "--quiet"]


def rows(scratch: Path) -> Iterator[Row]:
    """From empty caches: the conflicts are found, then each other pin is shown to be innocent."""
    scratch.mkdir(parents=True, exist_ok=True)
    index, parts = _index()
    (scratch / "versions.toml").write_text(_family(parts))
    with serving(index) as local:
        environment = {
            "UV_DEFAULT_INDEX": local.url,
            "UV_CACHE_DIR": str(scratch / "uv"),
            "LOCKGEN_CACHE_DIR": str(scratch / "lockgen"),
        }
        run = Command([*LOCKGEN, "explain"], scratch, environment, code=3).run()
    found = [group for group in range(CONFLICTS) if f"part{group}-0" in run.stdout]
    assert len(found) == CONFLICTS, run.stdout
    text = f"{run.processor:.1f} s of processor time, the first run of all (1 run)"
    yield f"explain, {CONFLICTS} conflicts among {PACKAGES} packages", f"{run.seconds:.1f} s", text


def _index() -> tuple[LocalIndex, list[str]]:
    """The index, and the packages that are pinned to 1.0.

    Those of a conflict each exclude one version of a package that all of them need, and together all its versions.
    Each other package needs the one before it.
    """
    index = LocalIndex()
    parts = []
    for group in range(CONFLICTS):
        for number in range(SIZE):
            name = f"part{group}-{number}"
            index.add(f"shared{group}", f"{number}.0")
            index.add(name, "1.0", [f"shared{group}!={number}.0"])
            index.add(name, "2.0", [f"shared{group}"])
            parts.append(name)
    for number in range(PACKAGES - len(parts)):
        name = f"other{number}"
        needs = [f"other{number - 1}>=1.0"] if number % 10 else []
        index.add(name, "1.0", needs)
        index.add(name, "2.0", needs)
        parts.append(name)
    return index, parts


def _family(parts: list[str]) -> str:
    pins = "\n".join(f'{name} = "1.0"' for name in parts)
    packages = ", ".join(f'"{name}"' for name in parts)
    head = '[family]\nname = "many"\npython = "3.11"\n[variants.cpu]\nfrom = "python:3.11-slim"\n'
    return f"{head}[pins]\n{pins}\n[bases.base]\npackages = [{packages}]\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(Path(scratch)):
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
