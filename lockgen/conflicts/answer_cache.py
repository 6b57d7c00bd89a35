"""Cache of resolver verdicts between runs. The key is a digest of everything that a verdict depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.documents import parse_json
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.ports import Cache
from lockgen.core.resolution import Request, Resolved

MEANING = 3
"""Version of the cache keys. Increase it when the same request can get another verdict: old entries become unused."""


def digest(value: object) -> str:
    """SHA-256 of a JSON value, in hex."""
    # Sorted keys: two equal values must have one digest, whatever the order of their dictionaries.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content(index: ExplicitIndex) -> object:
    """Everything in an index that a resolver can see, as a JSON value."""
    pages: dict[str, list[object]] = {}
    for name, page in index.pages.items():
        files: list[object] = []
        for file in page.files:
            metadata = _metadata(index.metadata.get(file.name))
            # URLs and sizes are left out: they do not change a solution.
            files.append([file.name, file.sha256, file.requires_python, file.yanked, metadata])
        pages[name] = files
    return pages


def _metadata(metadata: CoreMetadata | None) -> object:
    if metadata is None:
        return None
    return [metadata.version, metadata.requires_python, metadata.requires, metadata.extras]


@dataclass
class AnswerCache:
    """Verdicts of earlier runs.

    ``conditions`` is what a verdict depends on besides the request: the versions of the tools, the default index.

    Only settled verdicts are stored, yes or no. An offline run may read the cache but must not write to it: a page that
    is missing from the resolver's own cache could change the verdict.
    """

    memory: Cache
    conditions: Mapping[str, str]
    _contents: dict[int, tuple[ExplicitIndex, str]] = field(default_factory=dict)

    def recall(self, request: Request, *, warm: bool = False) -> Verdict | None:
        """The stored verdict for ``request``; with ``warm``, only one that came from the index itself."""
        found = _read(self.memory.recall(self._key(request, warm)))
        if found is None:
            return None
        return Verdict(Answer(found["answer"]), str(found["reason"]), dict(found["versions"]))

    def keep(self, request: Request, verdict: Verdict, *, warm: bool = False) -> None:
        """Store a settled verdict for later runs."""
        if verdict.answer is Answer.UNKNOWN:
            return
        kept = {"answer": verdict.answer, "reason": verdict.reason, "versions": dict(verdict.versions)}
        text = json.dumps(kept)
        self.memory.keep(self._key(request, warm=False), text)
        # A verdict from the index answers the ordinary question too, but not the other way round.
        if warm:
            self.memory.keep(self._key(request, warm=True), text)

    def recall_package(self, name: str, version: str, request: Request) -> Resolved | None:
        """The stored package with its first file; the file's metadata URL is not stored."""
        found = _read(self.memory.recall(self._package_key(name, version, request)))
        if found is None:
            return None
        file = IndexFile(found["file"], found["url"], found["sha256"], metadata_sha256=found["metadata"])
        return Resolved(name, version, found["index"], (file,))

    def keep_package(self, package: Resolved, request: Request) -> None:
        """Store a package for `recall_package`, unless it has no file or is stored already."""
        if not package.files:
            return
        key = self._package_key(package.name, package.version, request)
        if self.memory.recall(key) is not None:
            return
        # One file is enough: its metadata names the requirements of the release.
        file = package.files[0]
        kept = {
            "file": file.name,
            "url": file.url,
            "sha256": file.sha256,
            "metadata": file.metadata_sha256,
            "index": package.index,
        }
        self.memory.keep(key, json.dumps(kept))

    def _key(self, request: Request, warm: bool) -> str:
        key = self._common(request)
        if warm:
            key["warm"] = True
        key["requirements"] = request.requirements
        key["constraints"] = request.constraints
        key["preferences"] = dict(request.preferences)
        key["overrides"] = dict(request.overrides)
        key["build"] = sorted(request.build)
        key["known"] = [_metadata(metadata) for metadata in request.known]
        return digest(key)

    def _package_key(self, name: str, version: str, request: Request) -> str:
        return digest({**self._common(request), "package": [name, version]})

    def _common(self, request: Request) -> dict[str, Any]:
        target = request.target
        cut_off = request.exclude_newer
        return {
            "meaning": MEANING,
            # The key keeps its old name: another name would drop every stored verdict.
            "surroundings": dict(self.conditions),
            "target": [target.release, target.platform, target.glibc],
            "routes": dict(request.routes),
            "blocked": sorted(request.blocked),
            "indexes": {name: self._content(index) for name, index in request.indexes.items()},
            "exclude-newer": cut_off.isoformat() if cut_off else None,
        }

    def _content(self, index: ExplicitIndex) -> str:
        """The digest of an index. Thousands of requests share a few indexes, so each is digested once."""
        known = self._contents.get(id(index))
        if known is None:
            # The entry holds the index itself: the id of a freed object could be given to another one.
            known = (index, digest(content(index)))
            self._contents[id(index)] = known
        return known[1]


def _read(text: str | None) -> dict[str, Any] | None:
    """The entry of a cache file; None if there is none. A truncated or foreign file counts as missing."""
    if text is None:
        return None
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
