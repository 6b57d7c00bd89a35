"""Image references: registry, name, tag and digest."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The parts of an image reference.

    ``name`` includes the registry. ``tag`` is "latest" if the reference has no tag, and ``tagged`` is False then.
    ``digest`` is "sha256:...".
    """

    name: str
    tag: str = "latest"
    digest: str | None = None
    # Not compared: "python" and "python:latest" are the same image.
    tagged: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        text = f"{self.name}:{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text


def parse_reference(text: str) -> ImageReference:
    """Split a reference such as "registry:5000/a/b:tag@sha256:..."."""
    tagged_name, _, digest = text.partition("@")
    name, colon, tag = tagged_name.rpartition(":")
    # In "registry:5000/a" the last colon is that of the port.
    if not colon or "/" in tag:
        name = tagged_name
        tag = ""
    return ImageReference(
        name=name,
        tag=tag or "latest",
        digest=digest or None,
        tagged=bool(tag),
    )
