"""Requirement files: every line ``name==version`` with the sha256 of each file the target can use (law 1)."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.layout import MARK
from lockgen.core.lock import Lock, Package, ToolSet


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

    def sources(self, variant: str, names: Sequence[str], image: str, tools: int) -> str:
        """Those of ``names`` that ``variant`` has to build with the tools of that number: what a builder builds."""
        table = self._lock.by_variant[variant]
        built = [table[name] for name in names if table[name].built and self._lock.tools_for(table[name]) == tools]
        head = f"{MARK}# What {image} builds from source, in its builder.\n"
        if not built:
            head += "# Nothing in this variant.\n"
        return head + "".join(self._line(variant, package) for package in built)

    def tools(self) -> str:
        """What installs and builds; no image holds it."""
        return self._tools("# What installs and builds while images are made; no image holds it.\n", self._lock.tools)

    def more_tools(self, tools: ToolSet) -> str:
        """What builds some packages, and does not go together with the other tools."""
        return self._tools(f"# What builds {', '.join(tools.builds)}; no image holds it.\n", tools.packages)

    def _tools(self, about: str, tools: Sequence[Package]) -> str:
        return "".join([MARK, about, *self._notes(tools), *(_lines(tool) for tool in tools)])

    def _notes(self, packages: Sequence[Package]) -> list[str]:
        notes = []
        for index in sorted({package.index for package in packages if package.index is not None}):
            names = ", ".join(package.name for package in packages if package.index == index)
            notes.append(f"# From {self._lock.indexes[index]}: {names}\n")
        built = ", ".join(package.name for package in packages if package.built)
        return notes + ([f"# Built from source: {built}\n"] if built else [])

    def _line(self, variant: str, package: Package) -> str:
        key = (variant, package.name)
        if key not in self._lines:
            self._lines[key] = _lines(package)
        return self._lines[key]


def _lines(package: Package) -> str:
    hashes = sorted({file.sha256 for file in package.files})
    return " \\\n".join([package.pin, *(f"    --hash=sha256:{digest}" for digest in hashes)]) + "\n"
