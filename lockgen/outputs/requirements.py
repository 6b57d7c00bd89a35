"""Render requirement files: ``name==version`` for each package, with the sha256 of each file that fits the target.

See guarantee 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.layout import MARK
from lockgen.core.lock import Lock, Package, ToolSet


class Renderer:
    """Renders the requirement files of one lock; renders each package once, as most are in several files."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._lines: dict[tuple[str, str], str] = {}

    def file(self, variant: str, names: Sequence[str], about: str) -> str:
        """A file with ``names`` (sorted) in the versions of ``variant``. ``about`` is its description."""
        table = self._lock.by_variant[variant]
        packages = [table[name] for name in names]
        parts = [MARK, f"# {about}\n"]
        parts.append("# Install with --no-deps --require-hashes.\n")
        parts += self._notes(packages)
        if not names:
            parts.append("# No packages: the layers below contain everything that is required.\n")
        parts += [self._line(variant, package) for package in packages]
        return "".join(parts)

    def sources(self, variant: str, names: Sequence[str], image: str, tools: int) -> str:
        """A file with those of ``names`` that ``variant`` builds from source with the tools of that number."""
        table = self._lock.by_variant[variant]
        built = []
        for name in names:
            package = table[name]
            if package.built and self._lock.tools_for(package) == tools:
                built.append(package)
        parts = [MARK, f"# Packages that the builder of {image} builds from source.\n"]
        if not built:
            parts.append("# No packages in this variant.\n")
        parts += [self._line(variant, package) for package in built]
        return "".join(parts)

    def tools(self) -> str:
        """The file with the tools that install and build; no image contains them."""
        about = "# Tools that install and build packages while images are built. No image contains them.\n"
        return self._tools(about, self._lock.tools)

    def more_tools(self, tools: ToolSet) -> str:
        """The file with tools for some packages that conflict with the other tools."""
        built = ", ".join(tools.builds)
        about = f"# Tools that build {built}. No image contains them.\n"
        return self._tools(about, tools.packages)

    def _tools(self, about: str, tools: Sequence[Package]) -> str:
        parts = [MARK, about, *self._notes(tools)]
        parts += [_lines(tool) for tool in tools]
        return "".join(parts)

    def _notes(self, packages: Sequence[Package]) -> list[str]:
        by_index: dict[str, list[str]] = {}
        for package in packages:
            if package.index is not None:
                by_index.setdefault(package.index, []).append(package.name)
        notes = []
        for index, names in sorted(by_index.items()):
            url = self._lock.indexes[index]
            listed = ", ".join(names)
            notes.append(f"# From {url}: {listed}\n")
        built = ", ".join(package.name for package in packages if package.built)
        if built:
            notes.append(f"# Built from source: {built}\n")
        return notes

    def _line(self, variant: str, package: Package) -> str:
        # A package may have other files in another variant.
        key = (variant, package.name)
        if key not in self._lines:
            self._lines[key] = _lines(package)
        return self._lines[key]


def _lines(package: Package) -> str:
    # Two files may have the same bytes under different names.
    digests = sorted({file.sha256 for file in package.files})
    hashes = [f"    --hash=sha256:{digest}" for digest in digests]
    return " \\\n".join([package.pin, *hashes]) + "\n"
