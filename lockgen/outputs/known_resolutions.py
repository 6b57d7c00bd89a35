"""Skip a resolution whose result is known: the same inputs, the same lock, and an index that stands still.

With a cut-off, the default index offers the same files in every run, and recorded indexes are files of the project. So
if nothing changed since lockgen resolved these inputs to the lock on disk, it would do so again. Whether the locked
files are still on the index is not a question of `resolve`.

What is known is in the user's cache, never in the project: an edited lock cannot bring its own entry along.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from lockgen.app import App
from lockgen.core.documents import parse_json
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.io.own_code import own_code
from lockgen.io.resolver_environment import resolver_environment
from lockgen.manifest.fingerprints import Inputs, fingerprints

_KIND = "resolved"


@dataclass
class RecordedNotes:
    """See ports.Progress: it passes everything on, and remembers the notes."""

    progress: Progress
    notes: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        """Pass ``text`` on."""
        self.progress.step(text)

    def note(self, text: str) -> None:
        """Pass ``text`` on and remember it."""
        self.notes.append(text)
        self.progress.note(text)


class KnownResult(NamedTuple):
    """What a resolution says besides its lock: notes, and sentences about extras that a package does not have."""

    notes: list[str]
    unknown_extras: list[str]


class KnownResolutions:
    """What earlier runs found for the present inputs.

    ``offline``: this run may not use the network.
    """

    def __init__(self, app: App, inputs: Inputs, *, offline: bool) -> None:
        self._cache = app.cache(_KIND)
        self._offline = offline
        self._stands_still = stands_still(inputs.manifest)
        self._inputs = _inputs(inputs.manifest, app) if self._stands_still else {}

    def recall(self, lock: bytes) -> KnownResult | None:
        """What was noted when these inputs resolved to ``lock``; None if they never did."""
        # Offline, sizes may be missing. So an online run asks only for what was found online.
        for offline in (False, True) if self._offline else (False,):
            text = self._cache.recall(self._key(lock, offline)) if self._stands_still else None
            if text is not None:
                return _parsed(text)
        return None

    def keep(self, lock: bytes, result: KnownResult) -> None:
        """Remember that the inputs resolve to ``lock``."""
        if self._stands_still:
            document = {"notes": result.notes, "unknown-extras": result.unknown_extras}
            self._cache.keep(self._key(lock, self._offline), json.dumps(document))

    def _key(self, lock: bytes, offline: bool) -> str:
        document = {**self._inputs, "lock": hashlib.sha256(lock).hexdigest(), "offline": offline}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _parsed(text: str) -> KnownResult | None:
    """The entry in ``text``; None if it is damaged."""
    try:
        match parse_json(text):
            case {"notes": [*notes], "unknown-extras": [*extras]}:
                return KnownResult([str(note) for note in notes], [str(extra) for extra in extras])
    except ValueError:
        return None
    return None


def stands_still(manifest: Manifest) -> bool:
    """Whether all indexes offer the same files in every run."""
    # A margin: shortly after the cut-off, a release from before it may still appear.
    if manifest.exclude_newer is None or manifest.exclude_newer > datetime.now(UTC) - timedelta(days=1):
        return False
    # Indexes of CUDA builds have no upload times, so a cut-off does not apply to them.
    used = {variant.index for variant in manifest.variants.values() if variant.index is not None}
    return all(manifest.indexes[name].recorded is not None for name in used)


def _inputs(manifest: Manifest, app: App) -> dict[str, object]:
    """Everything but the lock that decides the result."""
    return {
        "inputs": fingerprints(manifest, app.folder),
        "python": sys.version,
        "lockgen": own_code(),
        **resolver_environment(),
    }
