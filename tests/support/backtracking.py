"""A resolver in memory: depth first, newest or preferred first. The contract suite compares it with the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.errors import NoResolution
from lockgen.index.core_metadata import parse_metadata
from lockgen.index.wheel_ranking import identity, usable_files
from support.index import LocalIndex

Key = tuple[str, str]
"""A package and one of its extras; "" is the package itself."""


@dataclass(frozen=True)
class Candidate:
    version: Version
    index: str | None
    files: tuple[IndexFile, ...]
    metadata: CoreMetadata


class Backtracking:
    """``index`` is the default index."""

    name = "backtracking"

    def __init__(self, index: LocalIndex) -> None:
        self.index = index
        self.solves = 0

    def solve(self, request: Request) -> Solution:
        self.solves += 1
        asked = tuple(required(text) for text in request.requirements)
        search = _Search(self.index, request)
        found = search.run(asked)
        if found is None:
            raise NoResolution("no solution", reason=f"nothing fits {', '.join(sorted(search.stuck))}")
        return Solution({name: Resolved(name, str(c.version), c.index, c.files) for name, c in found.items()})

    def read(self, files: Iterable[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """See `MetadataSource`."""
        return {file.name: self.index_metadata(file.name) for file in files}

    def yanked(self, projects: Iterable[str], request: Request) -> frozenset[str]:
        """See `MetadataSource`. The pages already mark every yanked file."""
        return frozenset()

    def index_metadata(self, filename: str) -> CoreMetadata:
        return parsed(self.index.metadata[filename], filename)


@lru_cache(100_000)
def parsed(text: bytes, file: str) -> CoreMetadata:
    """Cached: a property test resolves thousands of times against one index."""
    return parse_metadata(text.decode(), file)


@lru_cache(100_000)
def required(line: str) -> Requirement:
    """Cached: callers must not change the result."""
    return Requirement(line)


class _Search:
    def __init__(self, index: LocalIndex, request: Request) -> None:
        self.index, self.request = index, request
        self.bounds: dict[str, SpecifierSet] = {}
        for text in request.constraints:
            self._bind(self.bounds, required(text))
        self._known: dict[str, list[Candidate]] = {}
        self.stuck: set[str] = set()

    @staticmethod
    def _bind(bounds: dict[str, SpecifierSet], requirement: Requirement) -> None:
        name = canonicalize_name(requirement.name)
        bounds[name] = bounds.get(name, SpecifierSet()) & requirement.specifier

    def run(self, asked: tuple[Requirement, ...]) -> dict[str, Candidate] | None:
        return self._extend({}, frozenset(), self.bounds, [r for r in asked if self._holds(r, "")])

    def _holds(self, requirement: Requirement, extra: str) -> bool:
        return self.request.target.holds(requirement.marker, extra)

    def _extend(
        self,
        chosen: dict[str, Candidate],
        done: frozenset[Key],
        bounds: dict[str, SpecifierSet],
        pending: list[Requirement],
    ) -> dict[str, Candidate] | None:
        if not pending:
            return chosen
        head, rest = pending[0], pending[1:]
        name = canonicalize_name(head.name)
        bounds = dict(bounds)
        self._bind(bounds, head)
        if name in chosen:
            candidates = [chosen[name]] if bounds[name].contains(chosen[name].version, prereleases=True) else []
        else:
            candidates = self._candidates(name, bounds[name])
        if not candidates:
            self.stuck.add(name)
        for candidate in candidates:
            keys = [(name, ""), *((name, canonicalize_name(extra)) for extra in head.extras)]
            fresh = [key for key in keys if key not in done]
            needs = [need for key in fresh for need in self._needs(candidate, key[1])]
            found = self._extend({**chosen, name: candidate}, done | set(fresh), bounds, rest + needs)
            if found is not None:
                return found
        return None

    def _needs(self, candidate: Candidate, extra: str) -> list[Requirement]:
        requirements = [required(line) for line in candidate.metadata.requires]
        spelled = next((e for e in candidate.metadata.extras if canonicalize_name(e) == extra), extra)
        return [r for r in requirements if self._holds(r, spelled) and not (extra and self._holds(r, ""))]

    def _candidates(self, name: str, bound: SpecifierSet) -> list[Candidate]:
        if name not in self._known:
            self._known[name] = self._all(name)
        exact = {part.version for part in bound if part.operator == "=="}
        offered = {
            c.version: c for c in self._known[name] if str(c.version) in exact or not all(_yanked(f) for f in c.files)
        }
        fitting = sorted(bound.filter(offered), reverse=True)
        kept = self.request.preferences.get(name)
        return [offered[v] for v in sorted(fitting, key=lambda version: str(version) != kept)]

    def _all(self, name: str) -> list[Candidate]:
        route = self.request.routes.get(name)
        if route is not None:
            explicit = self.request.indexes[route]
            page = explicit.pages.get(name)
            files = [f for f in page.files if f.sha256 and f.name in explicit.metadata] if page else []
            metadata: Mapping[str, CoreMetadata] = explicit.metadata
            build: frozenset[str] = frozenset()
        else:
            files = [_file(entry) for entry in self.index.pages.get(name, {}).values()]
            files = [file for file in files if self._old_enough(file)]
            texts = self.index.metadata
            metadata = {file.name: parsed(texts[file.name], file.name) for file in files if file.name in texts}
            build = self.request.build
        target = self.request.target
        usable = usable_files(name, [f for f in files if target.admits(f.requires_python)], target, build)
        versions: dict[Version, list[IndexFile]] = {}
        for file in usable:
            versions.setdefault(identity(file.name)[1], []).append(file)
        return [
            Candidate(v, route, tuple(fs), metadata.get(fs[0].name, CoreMetadata(name, str(v))))
            for v, fs in versions.items()
        ]

    def _old_enough(self, file: IndexFile) -> bool:
        cut_off = self.request.exclude_newer
        return cut_off is None or (file.upload_time is not None and file.upload_time < cut_off)


def _yanked(file: IndexFile) -> bool:
    return file.yanked is not None


def _file(entry: dict[str, Any]) -> IndexFile:
    uploaded = entry.get("upload-time")
    file = IndexFile(entry["filename"], entry["url"], entry["hashes"].get("sha256"), entry["size"])
    return replace(
        file,
        requires_python=entry.get("requires-python"),
        upload_time=datetime.fromisoformat(uploaded) if uploaded else None,
        yanked="" if entry.get("yanked") else None,
    )
