"""Images as they are built: the contents of Dockerfiles and bake targets, as values."""

from __future__ import annotations

from typing import NamedTuple


class InstallLayer(NamedTuple):
    """A requirement file that an image installs as one layer: its path by variant."""

    paths: tuple[tuple[str, str], ...]

    def path(self, variant: str) -> str:
        return dict(self.paths)[variant]

    @property
    def same(self) -> bool:
        return len({path for _, path in self.paths}) == 1


class Tools(NamedTuple):
    """One set of tools that install or build packages: its number and its requirement file.

    ``pages`` are the pages of those packages in it that an explicit index lists.
    """

    number: int
    path: str
    pages: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """The build argument with the pages."""
        return "TOOL_PAGES" if self.number == 1 else f"TOOL_PAGES_{self.number}"


class BuildLayer(NamedTuple):
    """The packages that an image builds from source with one set of tools."""

    tools: Tools
    sources: InstallLayer

    @property
    def number(self) -> int:
        return self.tools.number


class ImageVariant(NamedTuple):
    """One image in one variant. ``base_image`` is its FROM reference; ``fingerprint`` is a digest of its closure.

    ``pages`` are the pages of those packages in its own layers that an explicit index lists; ``root`` is the target of
    the root base below it.
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


class ImagePlan(NamedTuple):
    """One image of the family, with one Dockerfile. ``layers`` are installed; ``built`` is built from source.

    ``tools`` is the first set of the family's tools; ``routed`` is whether any image or any set of tools of the family
    has a package that an explicit index lists.
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
        """Whether an explicit index lists a package in the image's own layers, in any variant."""
        return any(variant.pages for variant in self.variants)


class FamilyPlan(NamedTuple):
    """All images, bases before the images built on them. ``base_images`` is by variant."""

    family: str
    registry: str | None
    platform: str
    images: tuple[ImagePlan, ...]
    base_images: tuple[tuple[str, str], ...]
