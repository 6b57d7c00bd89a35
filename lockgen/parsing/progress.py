"""BuildKit's own progress (`--progress=rawjson`) as steps. Its objects may be a line each or spread over many."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from lockgen.model.building import Step

_NAMED = re.compile(r"\[([a-zA-Z0-9_-]+)(?: ([^\]]*))?\] (.*)", re.DOTALL)
_FRACTION = re.compile(r"\.(\d{1,6})\d*")


class ProgressReader:
    """Takes stderr as it comes; knows every step so far, and the text that was no progress."""

    def __init__(self) -> None:
        self._pending = ""
        self._vertices: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, list[str]] = {}
        self.rest: list[str] = []
        self._decoder = json.JSONDecoder()

    def feed(self, text: str) -> str | None:
        """Takes a piece; answers what began in it, as a line for people."""
        began = None
        for message in self._messages(text):
            for vertex in message.get("vertexes") or ():
                known = self._vertices.setdefault(str(vertex.get("digest")), {})
                if "started" in vertex and "started" not in known:
                    began = str(vertex.get("name", "")).split("\n")[0]
                known.update(vertex)
            for log in message.get("logs") or ():
                data = base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
                self._logs.setdefault(str(log.get("vertex")), []).append(data)
        return began

    def _messages(self, text: str) -> Iterator[dict[str, Any]]:
        if not self._pending and not text.startswith("{"):
            self.rest.append(text)
            return
        self._pending += text
        if not text.startswith("}") and not text.startswith("{"):
            return
        try:
            message, end = self._decoder.raw_decode(self._pending)
        except ValueError:
            return
        self._pending = self._pending[end:].lstrip()
        if isinstance(message, dict):
            yield message

    def steps(self) -> list[Step]:
        """Every step that ended, in no order that means anything."""
        return [_step(vertex) for vertex in self._vertices.values() if "completed" in vertex]

    def failures(self) -> list[tuple[Step, str]]:
        """The steps that failed, with what they had said."""
        return [
            (_step(vertex), "".join(self._logs.get(digest, [])))
            for digest, vertex in self._vertices.items()
            if vertex.get("error")
        ]


def _step(vertex: dict[str, Any]) -> Step:
    name = str(vertex.get("name", ""))
    found = _NAMED.match(name)
    target = found[1] if found else ""
    seconds = 0.0
    if "started" in vertex and "completed" in vertex:
        seconds = max(0.0, (_time(vertex["completed"]) - _time(vertex["started"])).total_seconds())
    error = vertex.get("error")
    return Step(target, name, bool(vertex.get("cached")), seconds, str(error) if error else None)


def _time(text: str) -> datetime:
    """RFC 3339 with nanoseconds, which fromisoformat does not take."""
    return datetime.fromisoformat(
        _FRACTION.sub(lambda found: "." + found[1].ljust(6, "0"), text.replace("Z", "+00:00"))
    )
