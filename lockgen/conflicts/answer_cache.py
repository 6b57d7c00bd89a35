"""What makes two questions to a resolver the same one, over runs: all that an answer depends on, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.ports import Cache
from lockgen.core.resolution import Request, Resolved

MEANING = 2
"""Grows where the same question comes to another answer: what was kept is then not taken."""


def digest(value: object) -> str:
    """SHA-256 of a JSON value, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content(index: ExplicitIndex) -> object:
    """All of an index that a resolver may see."""
    return {
        name: [
            [file.name, file.sha256, file.requires_python, file.yanked, _metadata(index.metadata.get(file.name))]
            for file in page.files
        ]
        for name, page in index.pages.items()
    }


def _metadata(metadata: CoreMetadata | None) -> object:
    return (
        None if metadata is None else [metadata.version, metadata.requires_python, metadata.requires, metadata.extras]
    )


@dataclass
class AnswerCache:
    """Verdicts of earlier runs. ``surroundings`` is what they depend on besides the question: versions, the index.

    Only what is settled is kept: a yes or a no. Whoever asks without a network may take what is kept, but keeps
    nothing: his cache may lack a page that would say otherwise.
    """

    memory: Cache
    surroundings: Mapping[str, str]
    _contents: dict[int, tuple[ExplicitIndex, str]] = field(default_factory=dict)

    def recall(self, request: Request, *, warm: bool = False) -> Verdict | None:
        """What was answered before to ``request``; with ``warm`` only what an index itself was asked about."""
        found = _read(self.memory.recall(self._key(request, warm)))
        if found is None:
            return None
        return Verdict(Answer(found["answer"]), str(found["reason"]), dict(found["versions"]))

    def keep(self, request: Request, verdict: Verdict, *, warm: bool = False) -> None:
        """For the next run; a ``warm`` answer is an answer like others too."""
        if verdict.answer is not Answer.UNKNOWN:
            kept = {"answer": verdict.answer, "reason": verdict.reason, "versions": dict(verdict.versions)}
            for key in {self._key(request, False), self._key(request, warm)}:
                self.memory.keep(key, json.dumps(kept))

    def recall_package(self, name: str, version: str, request: Request) -> Resolved | None:
        """The package with the one file that an answer looks at; without its METADATA's place."""
        found = _read(self.memory.recall(self._package_key(name, version, request)))
        if found is None:
            return None
        file = IndexFile(found["file"], found["url"], found["sha256"], metadata_sha256=found["metadata"])
        return Resolved(name, version, found["index"], (file,))

    def keep_package(self, package: Resolved, request: Request) -> None:
        """For `recall_package`; a package without a file is nothing to look at."""
        key = self._package_key(package.name, package.version, request)
        if package.files and self.memory.recall(key) is None:
            file = package.files[0]
            kept = {"file": file.name, "url": file.url, "sha256": file.sha256, "metadata": file.metadata_sha256}
            self.memory.keep(key, json.dumps({**kept, "index": package.index}))

    def _key(self, request: Request, warm: bool) -> str:
        return digest(
            {
                **self._common(request),
                **({"warm": True} if warm else {}),
                "requirements": request.requirements,
                "constraints": request.constraints,
                "preferences": dict(request.preferences),
                "overrides": dict(request.overrides),
                "build": sorted(request.build),
                "known": {name: _metadata(metadata) for name, metadata in request.known.items()},
            }
        )

    def _package_key(self, name: str, version: str, request: Request) -> str:
        return digest({**self._common(request), "package": [name, version]})

    def _common(self, request: Request) -> dict[str, Any]:
        target = request.target
        return {
            "meaning": MEANING,
            "surroundings": dict(self.surroundings),
            "target": [target.python, target.platform, target.glibc],
            "routes": dict(request.routes),
            "blocked": sorted(request.blocked),
            "indexes": {name: self._content(index) for name, index in request.indexes.items()},
            "exclude-newer": request.exclude_newer.isoformat() if request.exclude_newer else None,
        }

    def _content(self, index: ExplicitIndex) -> str:
        known = self._contents.get(id(index))
        if known is None:
            known = self._contents[id(index)] = (index, digest(content(index)))
        return known[1]


def _read(text: str | None) -> dict[str, Any] | None:
    """A cache file may be cut short, or be another's."""
    try:
        found = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
