"""What `docker buildx inspect` says of a builder. It has no JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FAULT = re.compile(
    r"^(?:Error|Status):\s*(.*(?:connect|refused|unreachable|no such file|EOF|deadline).*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder. ``context`` is the Docker context whose engine it is, where its driver is ``docker``: such a builder
    has the engine's own images; any other has none, and what it builds is loaded into an engine or pushed.
    """

    driver: str
    context: str | None
    fault: str | None
    """Why it does not answer."""


def parse_builder(text: str) -> Builder:
    driver, endpoint = _value("Driver", text), _value("Endpoint", text)
    fault = _FAULT.search(text)
    said = fault[1] if fault else None
    # A container or a pod that is inactive is started by the build; a remote BuildKit is there or is not.
    if driver == "remote" and _value("Status", text) == "inactive":
        said = f"nothing answers at {endpoint}"
    return Builder(driver, (endpoint or None) if driver == "docker" else None, said)


def _value(name: str, text: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else ""
