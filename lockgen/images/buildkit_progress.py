"""Parse BuildKit's progress (`--progress=rawjson`) into steps and messages.

BuildKit prints one JSON object a message, on one line or spread over many. A message updates vertices (steps) and
appends to their logs. Other text on the same stream is bake's own output.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lockgen.images.build_model import BuildStep, News, owner

_NAMED = re.compile(r"\[([a-zA-Z0-9_-]+)(?: ([^\]]*))?\] (.*)", re.DOTALL)
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_LONG = 5.0
"""Seconds from which a step gets a separate line in the log."""
_SHOWN = 2
"""The most steps that the line of current activity names."""


@dataclass
class _Vertex:
    """What BuildKit has reported so far about one step."""

    names: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def update(self, values: Mapping[str, Any]) -> None:
        self.values.update(values)
        # Each image that shares the step reports it under its own name.
        name = str(values.get("name", ""))
        if name not in self.names:
            self.names.append(name)

    @property
    def started(self) -> bool:
        return "started" in self.values

    @property
    def completed(self) -> bool:
        return "completed" in self.values

    @property
    def running(self) -> bool:
        return self.started and not self.completed

    def step(self) -> BuildStep:
        matches = [_NAMED.match(name) for name in self.names]
        # A dict drops duplicates and keeps the order.
        targets = dict.fromkeys(match[1] for match in matches if match is not None)
        error = self.values.get("error")
        return BuildStep(
            targets=tuple(targets),
            text=self.names[0],
            cached=bool(self.values.get("cached")),
            seconds=self._seconds(),
            error=str(error) if error else None,
        )

    def _seconds(self) -> float:
        if not (self.started and self.completed):
            return 0.0
        taken = _time(self.values["completed"]) - _time(self.values["started"])
        # The builder's clock may be set back during a step.
        return max(0.0, taken.total_seconds())


class ProgressReader:
    """Reads stderr of a build piece by piece; stores every step so far, and the text that was not progress.

    ``images`` maps bake targets to the images that they belong to, bases first.
    """

    def __init__(self, images: Mapping[str, str]) -> None:
        self._images = images
        self._pending = ""
        self._vertices: dict[str, _Vertex] = {}
        self._logs: dict[str, list[str]] = {}
        self._announced: set[str] = set()
        self._last_activity = ""
        self.rest: list[str] = []
        self._decoder = json.JSONDecoder()

    def feed(self, text: str) -> list[News]:
        """Read one line; return the messages that follow from it."""
        news: list[News] = []
        for message in self._messages(text):
            for values in message.get("vertexes") or ():
                news += self._update(values)
            for log in message.get("logs") or ():
                self._append_log(log)
            activity = self._activity()
            if activity and activity != self._last_activity:
                news.append(News(activity))
                self._last_activity = activity
        return news

    def steps(self) -> list[BuildStep]:
        """Every step that ended, in no particular order."""
        return [vertex.step() for vertex in self._vertices.values() if vertex.completed]

    def failures(self) -> list[tuple[BuildStep, str]]:
        """The steps that failed, with their output."""
        found = []
        for digest, vertex in self._vertices.items():
            if vertex.values.get("error"):
                output = "".join(self._logs.get(digest, []))
                found.append((vertex.step(), output))
        return found

    def image(self, step: BuildStep) -> str:
        """The image that a step belongs to; empty if none."""
        return owner(step, self._images)

    def _messages(self, text: str) -> Iterator[dict[str, Any]]:
        if not self._pending and not text.startswith("{"):
            self.rest.append(text)
            return
        self._pending += text
        # Only a line that begins with a brace can end an object: parsing at every line would be quadratic.
        if not text.startswith(("}", "{")):
            return
        try:
            message, end = self._decoder.raw_decode(self._pending)
        except ValueError:
            return
        self._pending = self._pending[end:].lstrip()
        if isinstance(message, dict):
            yield message

    def _append_log(self, log: Mapping[str, Any]) -> None:
        output = base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
        self._logs.setdefault(str(log.get("vertex")), []).append(output)

    def _update(self, values: Mapping[str, Any]) -> Iterator[News]:
        """Record what one message reports about a vertex."""
        vertex = self._vertices.setdefault(str(values.get("digest")), _Vertex())
        was_completed = vertex.completed
        vertex.update(values)
        step = vertex.step()
        image = self.image(step)
        if not image:
            return
        just_succeeded = vertex.completed and not was_completed and not step.error
        # Stages that an image copies from are exported too; their targets begin with _.
        is_image = step.stores and not step.target.startswith("_")
        if is_image and just_succeeded:
            yield News(f"built {image}", stays=True)
        if not step.works or step.cached or not vertex.started:
            return
        if image not in self._announced:
            self._announced.add(image)
            yield News(f"building {image}", stays=True)
        if just_succeeded and step.seconds >= _LONG:
            yield News(f"{image}: {step.description} took {step.seconds:.0f} s", stays=True)

    def _activity(self) -> str:
        """What runs now, the longest running step first; instructions come before transfers."""
        running = [vertex for vertex in self._vertices.values() if vertex.running]
        running.sort(key=_activity_order)
        # Two variants may run the same step: it is shown once.
        described: dict[str, None] = {}
        for vertex in running:
            described[self._describe(vertex.step())] = None
        shown = "; ".join(list(described)[:_SHOWN])
        hidden = len(described) - _SHOWN
        return f"{shown} (and {hidden} more)" if hidden > 0 else shown

    def _describe(self, step: BuildStep) -> str:
        image = self.image(step)
        return f"{image}: {step.description}" if image else step.description


def _activity_order(vertex: _Vertex) -> tuple[bool, str]:
    return not vertex.step().works, str(vertex.values["started"])


def _time(text: str) -> datetime:
    """Parse a timestamp of RFC 3339. BuildKit writes nanoseconds, of which a datetime keeps the microseconds."""
    with_offset = text.replace("Z", "+00:00")
    return datetime.fromisoformat(_FRACTION.sub(_microseconds, with_offset))


def _microseconds(found: re.Match[str]) -> str:
    return "." + found[1].ljust(6, "0")
