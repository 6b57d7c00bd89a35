"""What a registry offers for a base image."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.image_reference import ImageReference


@dataclass(frozen=True, slots=True)
class Offer:
    """What a registry has of the base image of ``variants``.

    ``newer`` are the newer tags of its kind, the oldest first; ``digest`` is what its own tag is now, None where
    versions.toml pins no digest.
    """

    reference: ImageReference
    variants: tuple[str, ...]
    newer: tuple[str, ...] = ()
    digest: str | None = None

    @property
    def releases(self) -> tuple[str, ...]:
        """What could be moved to, the best first: newer tags, and this tag as it is now."""
        moved = self.digest is not None and self.digest != self.reference.digest
        return (*reversed(self.newer), *([f"{self.reference.tag}@{self.digest}"] if moved else []))
