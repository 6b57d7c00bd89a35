"""[update] of versions.toml: the policy of `lockgen update`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

VersionStep = Literal["patch", "minor", "major"]
Proof = Literal["resolve", "imports", "tests"]
STEPS: tuple[VersionStep, ...] = ("patch", "minor", "major")

SEEN_BRANCH = "first-seen"
"""The branch, below the common prefix, with the file that says when releases were first seen."""
BASES_GROUP = "base-images"
"""The group of the base images that are in no other group."""


class GroupPolicy(NamedTuple):
    """Pins that move together, in one pull request.

    ``patterns`` match names of packages, ``images`` names of base images; both may contain ``*`` and ``?``.
    ``partial``: the group moves without the pins that cannot move; else it moves as a whole or not at all.
    ``cooldown`` is in days; None is that of the policy.
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


class IgnoreRule(NamedTuple):
    """Releases to ignore: of every package that ``pattern`` matches, those within ``versions`` (None: all).

    With ``image`` it applies to base images, and the version is the number in the tag. With ``variant`` it applies
    only to the pins of that variant.
    """

    pattern: str
    versions: SpecifierSet | None = None
    reason: str = ""
    image: bool = False
    variant: str | None = None

    def covers(self, name: str, version: Version, *, image: bool = False, variants: tuple[str, ...] = ()) -> bool:
        """Whether the release is ignored. ``variants`` are the owners of the pin; empty for a pin of the family."""
        if image != self.image or not fnmatchcase(name, self.pattern):
            return False
        if self.variant is not None and self.variant not in variants:
            return False
        if self.versions is None:
            return True
        # Rules are about releases. The local part, the build of one index, does not count.
        return self.versions.contains(version.public, prereleases=True)


class Policy(NamedTuple):
    """[update].

    ``cooldown`` is in days. ``base`` is the base branch of pull requests, None for the default branch of the remote.
    ``max_open`` limits the open pull requests. With ``move_cut_off`` the family's exclude-newer moves with newer
    releases; else they are not proposed. ``base_images``: whether base images are updated, too. ``prove`` is what an
    update must pass.
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
    prove: Proof = "imports"

    @property
    def waits(self) -> bool:
        """Whether any group has a cooldown."""
        return self.cooldown > 0 or any(group.cooldown for group in self.groups)
