"""Available tags and digests of a base image."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.image_reference import ImageReference


@dataclass(frozen=True, slots=True)
class Offer:
    """What a registry has for the base image of ``variants``.

    ``newer`` are the newer tags of the same kind, the oldest first. ``digest`` is the current one of the reference's
    own tag, None if versions.toml does not pin a digest.
    """

    reference: ImageReference
    variants: tuple[str, ...]
    newer: tuple[str, ...] = ()
    digest: str | None = None

    @property
    def releases(self) -> tuple[str, ...]:
        """The possible updates, the best first: newer tags, then the same tag with another digest."""
        releases = list(reversed(self.newer))
        if self.digest is not None and self.digest != self.reference.digest:
            releases.append(f"{self.reference.tag}@{self.digest}")
        return tuple(releases)
