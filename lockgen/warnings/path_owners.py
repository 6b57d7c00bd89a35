"""Which paths several packages install: the file of the one that is installed last replaces the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lockgen.warnings.model import SharedPaths

_MODULES = (".py", ".so", ".pyd", ".pth")
_UNUSED = {"tests", "test", "docs", "doc", "examples", "example", "samples", "benchmarks", "benchmark"}
"""Folders that many projects put next to their package by mistake. No program imports them."""


def find_shared(packages: Mapping[str, Mapping[str, str]]) -> Iterator[SharedPaths]:
    """The paths that several of ``packages`` install, which are by pin: an identity of the content of each path."""
    owners: dict[str, list[str]] = defaultdict(list)
    for pin, paths in packages.items():
        for path in paths:
            owners[path].append(pin)
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = defaultdict(list)
    for path, pins in owners.items():
        # Variants may have several versions of one package, but an image has only one.
        if len(pins) == 1 or _names(pins) == 1:
            continue
        contents = {packages[pin][path] for pin in pins}
        same = len(contents) == 1
        if _matters(path, same=same):
            groups[tuple(sorted(pins)), same].append(path)
    # Those with different content first.
    for (pins_of_group, same), paths_of_group in sorted(groups.items()):
        yield SharedPaths(pins_of_group, same, len(paths_of_group), min(paths_of_group))


def _names(pins: list[str]) -> int:
    return len({pin.partition("==")[0] for pin in pins})


def _matters(path: str, *, same: bool) -> bool:
    folder, _, inner = path.partition("/")
    if folder in _UNUSED:
        return False
    is_module = path.endswith(_MODULES)
    if same:
        # Namespaces such as google and nvidia have the same __init__.py in each distribution.
        return is_module and not path.endswith("/__init__.py")
    # LICENSE, README.md and the like.
    return is_module or bool(inner)
