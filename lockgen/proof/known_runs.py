"""Results of earlier runs, by a digest of everything that decides them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lockgen.core.documents import parse_json
from lockgen.core.ports import Cache
from lockgen.proof.model import ImageRun
from lockgen.proof.run_document import as_document, from_document

KIND = "runs"
"""The kind of the cache."""


@dataclass(frozen=True)
class KnownRuns:
    """The results in ``cache``."""

    cache: Cache

    def recall(self, key: str) -> ImageRun | None:
        """The result under ``key``; None if there is none."""
        text = self.cache.recall(key)
        try:
            return from_document(parse_json(text)) if text is not None else None
        except (KeyError, TypeError, ValueError):
            return None

    def keep(self, key: str, run: ImageRun) -> None:
        """Keep ``run`` if another run would have the same result."""
        if run.is_final:
            self.cache.keep(key, json.dumps(as_document(run)))
