"""BuildKit's own progress (`--progress=rawjson`) as steps. Its objects may be a line each or spread over many."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lockgen.images.build_model import BuildStep, News, owner

_NAMED = re.compile(r"\[([a-zA-Z0-9_-]+)(?: ([^\]]*))?\] (.*)", re.DOTALL)
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_LONG = 5.0
"""Seconds from which on a step has a line of its own in the record."""


class ProgressReader:
    """Takes stderr as it comes; knows every step so far, and the text that was no progress.

    ``images`` says which image a bake target is of, as people call it, the lower ones first.
    """

    def __init__(self, images: Mapping[str, str]) -> None:
        self._images = images
        self._pending = ""
        self._vertices: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, list[str]] = {}
        self._announced: set[str] = set()
        self._told = ""
        self.rest: list[str] = []
        self._decoder = json.JSONDecoder()

    def feed(self, text: str) -> list[News]:
        """Takes a piece; answers what is to be told."""
        news: list[News] = []
        for message in self._messages(text):
            for vertex in message.get("vertexes") or ():
                news += self._take(vertex)
            for log in message.get("logs") or ():
                data = base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
                self._logs.setdefault(str(log.get("vertex")), []).append(data)
            now = self._now()
            if now and now != self._told:
                news.append(News(now))
                self._told = now
        return news

    def image(self, step: BuildStep) -> str:
        """The image that a step is of, as people call it; empty where it is of none."""
        return owner(step, self._images)

    def _take(self, vertex: dict[str, Any]) -> Iterator[News]:
        """Notes what one message says of a vertex. Each image that shares it names it anew, in any order."""
        known = self._vertices.setdefault(str(vertex.get("digest")), {"names": []})
        over = "completed" in known
        known.update(vertex)
        if (name := str(vertex.get("name", ""))) not in known["names"]:
            known["names"].append(name)
        step = _step(known)
        image = self.image(step)
        # The stages that an image takes from (their targets begin with _) are stored as well.
        stored = step.stores and not step.target.startswith("_") and not step.error
        if image and stored and "completed" in known and not over:
            yield News(f"built {image}", stays=True)
        if not step.works or step.cached or not image or "started" not in known:
            return
        if image not in self._announced:
            self._announced.add(image)
            yield News(f"building {image}", stays=True)
        if "completed" in known and not over and step.seconds >= _LONG and not step.error:
            yield News(f"{image}: {step.doing} took {step.seconds:.0f} s", stays=True)

    def _now(self) -> str:
        """What runs, the longest running first; an instruction says more than a transfer."""
        running = [v for v in self._vertices.values() if "started" in v and "completed" not in v and v["names"]]
        running.sort(key=lambda v: (not _step(v).works, str(v["started"])))
        told = list(dict.fromkeys(self._told_of(_step(v)) for v in running))
        more = f" (and {len(told) - 2} more)" if len(told) > 2 else ""
        return "; ".join(told[:2]) + more

    def _told_of(self, step: BuildStep) -> str:
        image = self.image(step)
        return f"{image}: {step.doing}" if image else step.doing

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

    def steps(self) -> list[BuildStep]:
        """Every step that ended, in no order that means anything."""
        return [_step(vertex) for vertex in self._vertices.values() if "completed" in vertex]

    def failures(self) -> list[tuple[BuildStep, str]]:
        """The steps that failed, with what they had said."""
        return [
            (_step(vertex), "".join(self._logs.get(digest, [])))
            for digest, vertex in self._vertices.items()
            if vertex.get("error")
        ]


def _step(vertex: dict[str, Any]) -> BuildStep:
    names = vertex["names"]
    found = [named[1] for name in names if (named := _NAMED.match(name)) is not None]
    seconds = 0.0
    if "started" in vertex and "completed" in vertex:
        seconds = max(0.0, (_time(vertex["completed"]) - _time(vertex["started"])).total_seconds())
    error = vertex.get("error")
    cached = bool(vertex.get("cached"))
    return BuildStep(tuple(dict.fromkeys(found)), names[0], cached, seconds, str(error) if error else None)


def _time(text: str) -> datetime:
    """RFC 3339 with nanoseconds, which fromisoformat does not take."""
    return datetime.fromisoformat(
        _FRACTION.sub(lambda found: "." + found[1].ljust(6, "0"), text.replace("Z", "+00:00"))
    )
