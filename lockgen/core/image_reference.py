"""References of images: registry, name, tag and digest."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image reference, taken apart. ``tag`` is "latest" where it names none; ``digest`` is "sha256:...";
    ``tagged``: whether it names a tag at all."""

    name: str
    tag: str = "latest"
    digest: str | None = None
    tagged: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> ImageReference:
    """ "registry:5000/a/b:tag@sha256:..." taken apart."""
    whole, _, digest = text.partition("@")
    name, colon, tag = whole.rpartition(":")
    if not colon or "/" in tag:  # the colon before a port
        name, tag = whole, ""
    return ImageReference(name, tag or "latest", digest or None, tagged=bool(tag))
