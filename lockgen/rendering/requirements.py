"""Requirement files: every line ``name==version`` with the sha256 of each file the target can use (law 1)."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.model.lock import Lock, Package

MARK = "# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.\n"


class Renderer:
    """Renders the requirement files of one lock; each package's lines are made once."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._lines: dict[tuple[str, str], str] = {}

    def file(self, variant: str, names: Sequence[str], about: str) -> str:
        """One file: ``names`` (sorted) as ``variant`` has them. ``about`` is its line for people."""
        table = self._lock.by_variant[variant]
        head = [MARK, f"# {about}\n", "# Install with --no-deps --require-hashes.\n"]
        head += self._notes([table[name] for name in names])
        if not names:
            head.append("# Nothing: all it needs is in the layers below.\n")
        return "".join(head) + "".join(self._line(variant, table[name]) for name in names)

    def _notes(self, packages: list[Package]) -> list[str]:
        notes = []
        for index in sorted({package.index for package in packages if package.index is not None}):
            names = ", ".join(package.name for package in packages if package.index == index)
            notes.append(f"# From {self._lock.indexes[index]}: {names}\n")
        built = ", ".join(package.name for package in packages if package.built)
        return notes + ([f"# Built from source: {built}\n"] if built else [])

    def _line(self, variant: str, package: Package) -> str:
        key = (variant, package.name)
        if key not in self._lines:
            hashes = sorted({file.sha256 for file in package.files})
            lines = [package.pin, *(f"    --hash=sha256:{digest}" for digest in hashes)]
            self._lines[key] = " \\\n".join(lines) + "\n"
        return self._lines[key]
