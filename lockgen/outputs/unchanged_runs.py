"""An unchanged `resolve` prints again what an earlier one printed, without parsing a file.

That is right if the files of the project, lockgen's code and uv's environment are those of the earlier run, and if its
result stood still (`known_resolutions.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from lockgen.core.documents import parse_json
from lockgen.io.known_runs import KnownRuns
from lockgen.io.resolver_environment import resolver_environment
from lockgen.io.snapshot import Snapshot, read_snapshot
from lockgen.io.workspace import Folder
from lockgen.outputs.resolution_options import ResolveOptions


class UnchangedRun(NamedTuple):
    """What `resolve` prints if it changes nothing: ``text`` or (JSON) ``document`` on stdout, all else on stderr."""

    notes: list[str]
    text: str
    document: dict[str, object]
    summary: str
    warnings: list[str]


class UnchangedRuns:
    """The earlier runs that started from the present state of the project."""

    def __init__(self, folder: Folder, options: ResolveOptions) -> None:
        self._folder = folder
        self._runs = KnownRuns("unchanged")
        self._offline = options.offline
        self._before = read_snapshot(folder) if options.accepts_known else None

    def recall(self) -> UnchangedRun | None:
        """What to print; None if it is not known whether something changed."""
        if self._before is None:
            return None
        # Offline, sizes may be missing. So an online run is only content with what was found online.
        for offline in (False, True) if self._offline else (False,):
            text = self._runs.recall(_key(self._before, offline=offline))
            if text is not None:
                return _parsed(text)
        return None

    def keep(self, written: Mapping[str, bytes | None], run: UnchangedRun) -> None:
        """Remember what the next run prints. ``written`` are the files that this run wrote or removed."""
        if self._before is None:
            return
        # If anything else changed meanwhile, this run may have read it before or after.
        after = self._before.after(written)
        # A run on the files as this one wrote them has nothing to do, whatever happened to them since.
        known = {path: after.files[path] for path, data in written.items() if data is not None}
        if after == read_snapshot(self._folder, known):
            self._runs.keep(_key(after, offline=self._offline), json.dumps(run._asdict()))


def _key(snapshot: Snapshot, *, offline: bool) -> str:
    document = [snapshot.key, resolver_environment(), offline]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def _parsed(text: str) -> UnchangedRun | None:
    """The run in ``text``; None if the entry is damaged."""
    try:
        entry = parse_json(text)
    except ValueError:
        return None
    match entry:
        case {
            "notes": [*notes],
            "text": str(output),
            "document": dict(data),
            "summary": str(summary),
            "warnings": [*warnings],
        }:
            return UnchangedRun(_texts(notes), output, data, summary, _texts(warnings))
    return None


def _texts(values: list[object]) -> list[str]:
    return [str(value) for value in values]
