"""Image references: registry, name, tag and digest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


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


def is_digest(text: object) -> bool:
    """Whether ``text`` is a digest of the OCI image format. Nothing else may become a path or a part of a URL."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def is_tag(text: object) -> bool:
    """Whether ``text`` is a tag, as the distribution specification allows them."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


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
