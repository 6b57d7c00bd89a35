"""Images as they are built: what a Dockerfile and a bake target say, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstallLayer:
    """A requirement file that an image installs as one layer: its path by variant."""

    paths: tuple[tuple[str, str], ...]

    def path(self, variant: str) -> str:
        return dict(self.paths)[variant]

    @property
    def same(self) -> bool:
        return len({path for _, path in self.paths}) == 1


@dataclass(frozen=True, slots=True)
class Tools:
    """One set of tools that install or build while images are made: its number and its requirement file.

    ``pages`` are the pages of the listed packages in it.
    """

    number: int
    path: str
    pages: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """The build argument that holds the pages."""
        return "TOOL_PAGES" if self.number == 1 else f"TOOL_PAGES_{self.number}"


@dataclass(frozen=True, slots=True)
class BuildLayer:
    """What a builder builds with one set of tools."""

    tools: Tools
    sources: InstallLayer

    @property
    def number(self) -> int:
        return self.tools.number


@dataclass(frozen=True, slots=True)
class ImageVariant:
    """One image in one variant. ``base_image`` is the reference it is FROM; ``fingerprint`` is that of its closure.

    ``pages`` are the pages of the listed packages in its own layers; ``root`` is the root base below it.
    """

    variant: str
    target: str
    reference: str
    base_image: str
    base: str | None
    root: str
    lock: str
    fingerprint: str
    pages: tuple[str, ...]
    ppa: str | None


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One image of the family: one Dockerfile. ``layers`` install; ``built`` is what its builder builds.

    ``tools`` is the first set of the family's tools; ``routed`` says whether any image or any set of tools of the
    family has a listed package.
    """

    name: str
    kind: str
    python: str
    variants: tuple[ImageVariant, ...]
    layers: tuple[InstallLayer, ...]
    tools: Tools
    routed: bool
    built: tuple[BuildLayer, ...]
    needs: tuple[str, ...]
    apt: tuple[str, ...]
    build_apt: tuple[str, ...]
    copy: tuple[str, ...]
    folders: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    preload: tuple[str, ...]
    entrypoint: str | None
    user: str
    uid: int

    @property
    def root(self) -> bool:
        return self.variants[0].base is None

    @property
    def folder(self) -> str:
        return f"docker/{self.name}"

    @property
    def listed(self) -> bool:
        """Whether one of its own layers has a listed package, in any variant."""
        return any(variant.pages for variant in self.variants)


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """All images, those below before those that stand on them. ``base_images`` is by variant."""

    family: str
    registry: str | None
    platform: str
    images: tuple[ImagePlan, ...]
    base_images: tuple[tuple[str, str], ...]
