"""Parse the output of `docker buildx inspect`, which has no JSON format."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FAULT = re.compile(
    r"^(?:Error|Status):\s*(.*(?:connect|refused|unreachable|no such file|EOF|deadline).*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder. ``context`` is the Docker context of its engine, if its driver is ``docker``.

    Such a builder shares the engine's images. Any other has none, and its results are loaded into an engine or pushed.
    """

    driver: str
    context: str | None
    fault: str | None
    """Why it does not answer."""


def parse_builder(text: str) -> Builder:
    """Parse what `docker buildx inspect` prints."""
    driver = _value("Driver", text)
    endpoint = _value("Endpoint", text)
    found = _FAULT.search(text)
    fault = found[1] if found else None
    # A build starts an inactive container or pod, but not a remote BuildKit.
    if driver == "remote" and _value("Status", text) == "inactive":
        fault = f"nothing answers at {endpoint}"
    context = endpoint if driver == "docker" and endpoint else None
    return Builder(driver, context, fault)


def _value(name: str, text: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else ""
