"""Which locked packages provide a module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Set

from lockgen.lint.model import Import


class ProvidedModules:
    """Looks up packages by module. ``modules`` is by pin. Packages that it lacks have unknown modules."""

    def __init__(self, modules: Mapping[str, frozenset[str]]) -> None:
        self.pins: Set[str] = modules.keys()
        self._providers: dict[str, set[str]] = defaultdict(set)
        self._inside_namespace: dict[str, set[str]] = defaultdict(set)
        for pin, names in modules.items():
            for name in names:
                self._providers[name].add(pin)
                for parent in _parents(name):
                    self._inside_namespace[parent].add(pin)

    def providers(self, name: str, installed: Collection[str]) -> set[str]:
        """The ``installed`` pins that provide ``name``, or else the longest possible beginning of it.

        A bare namespace is provided by every package in it.
        """
        for candidate in (name, *_parents(name)):
            found = self._providers.get(candidate, set()).intersection(installed)
            if found:
                return found
        return self._namespace_members(name, installed)

    def missing_module(self, imported: Import, installed: Collection[str]) -> str:
        """The module that ``imported`` fails on if only ``installed`` pins are there.

        This is the top-level module, unless the image has a namespace of that name.
        """
        if not self._namespace_members(imported.top_level, installed):
            return imported.top_level
        if self._namespace_members(imported.module, installed):
            return imported.name
        return imported.module

    def _namespace_members(self, namespace: str, installed: Collection[str]) -> set[str]:
        return self._inside_namespace.get(namespace, set()).intersection(installed)


def _parents(name: str) -> list[str]:
    """The packages around a module, the innermost first: "a.b" and "a" of "a.b.c"."""
    parents = []
    parent = name.rpartition(".")[0]
    while parent:
        parents.append(parent)
        parent = parent.rpartition(".")[0]
    return parents
