"""[update] of versions.toml: what `lockgen update` may do by itself."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

VersionStep = Literal["patch", "minor", "major"]
STEPS: tuple[VersionStep, ...] = ("patch", "minor", "major")

SEEN_BRANCH = "first-seen"
"""The branch that keeps when releases were first seen, under the prefix of all."""
BASES_GROUP = "base-images"
"""The group of base images that no other holds."""


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """Pins that move together, in one pull request. ``patterns`` are names of packages with ``*`` and ``?``,
    ``images`` those of base images.

    ``partial``: what cannot move stays, and the others go on; else the group moves as a whole or not at all.
    """

    name: str
    patterns: tuple[str, ...]
    steps: tuple[VersionStep, ...] = STEPS
    cooldown: int | None = None
    partial: bool = False
    images: tuple[str, ...] = ()

    def holds(self, package: str) -> bool:
        return any(fnmatchcase(package, pattern) for pattern in self.patterns)

    def holds_image(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.images)


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Releases to ignore: of every package that ``pattern`` matches, those within ``versions`` (None: all).

    With ``image`` it is about base images, and the version is the number in the tag. With ``variant`` it is about
    that variant's own pins, and to no others.
    """

    pattern: str
    versions: SpecifierSet | None = None
    reason: str = ""
    image: bool = False
    variant: str | None = None

    def covers(self, name: str, version: Version, *, image: bool = False, variants: tuple[str, ...] = ()) -> bool:
        """``variants`` are those whose own pin it is; empty of a pin that holds for all."""
        if image != self.image or not fnmatchcase(name, self.pattern):
            return False
        if self.variant is not None and self.variant not in variants:
            return False
        return self.versions is None or self.versions.contains(version.public, prereleases=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """[update]. ``cooldown`` in days; ``base`` is a branch, None for the remote's own default; ``max_open`` bounds
    how many pull requests are open at once. With ``move_cut_off`` the
    family's exclude-newer moves along with what is newer; else nothing newer is seen. ``base_images``: whether those
    move too.
    """

    groups: tuple[GroupPolicy, ...] = ()
    ignore: tuple[IgnoreRule, ...] = ()
    steps: tuple[VersionStep, ...] = STEPS
    cooldown: int = 0
    max_open: int = 5
    labels: tuple[str, ...] = ("dependencies",)
    base: str | None = None
    prefix: str = "lockgen/"
    forge: Literal["github", "gitlab"] | None = None
    move_cut_off: bool = False
    base_images: bool = True

    @property
    def waits(self) -> bool:
        """Whether there is a cooldown anywhere."""
        return self.cooldown > 0 or any(group.cooldown for group in self.groups)
