"""The lock: the resolved family as data. Every generated file is a pure function of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from packaging.version import Version

from lockgen.core.parsing import parse_version


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A distribution file usable on the target. ``sha256`` is the hash of the file, never of its METADATA.

    ``size`` is in bytes, None if the index does not give it. ``installed`` is the size of its files on disk, in bytes;
    None if unknown. Only the file that an image installs may have it.
    """

    name: str
    sha256: str
    size: int | None = None
    installed: int | None = None

    @property
    def is_wheel(self) -> bool:
        return self.name.endswith(".whl")


class Dependency(NamedTuple):
    """A requirement of a package or an image: canonical name, extras, and the specifier as text ("" for any)."""

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


@dataclass(frozen=True)
class Package:
    """One version of one package from one index (None is the default index).

    ``requires`` has the requirements whose markers match the target; ``extras`` has the same for each extra that
    the family uses. ``variants`` are the variants with images that contain it. The first of ``files`` is the
    installed one; the others have the same metadata.
    """

    name: str
    version: str
    index: str | None
    variants: tuple[str, ...]
    files: tuple[File, ...]
    requires: tuple[Dependency, ...] = ()
    extras: dict[str, tuple[Dependency, ...]] = field(default_factory=dict)

    # Computed once: most packages are in many images.

    @cached_property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"

    @cached_property
    def built(self) -> bool:
        """Whether an image has to build it, because it has no wheel for the target."""
        return not any(file.is_wheel for file in self.files)

    @property
    def chosen(self) -> File:
        """The file that an image installs."""
        # Older locks sort files by name, so the first need not be the installed one. But only that one has a size.
        for file in self.files:
            if file.installed is not None:
                return file
        return self.files[0]

    @property
    def sort_key(self) -> tuple[str, Version, str]:
        return self.name, parse_version(self.version), self.index or ""


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image in one variant. ``base`` is the image that it builds on in the same variant, None for a root base.

    ``common`` has the requirements of docker/requirements-common.txt for a root base; else it is empty.
    """

    name: str
    variant: str
    base: str | None
    requires: tuple[Dependency, ...]
    common: tuple[Dependency, ...] = ()

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.variant}"


class ToolSet(NamedTuple):
    """Build tools for the packages in ``builds`` (as NAME==VERSION) that cannot use the tools of the others."""

    builds: tuple[str, ...]
    packages: tuple[Package, ...]


@dataclass(frozen=True)
class Lock:
    """The resolved family. ``inputs`` maps each input to its fingerprint ("sha256:...").

    ``tools`` install and build packages while an image is built; no image contains them. ``more_tools`` are for
    packages with build requirements that conflict with ``tools``.
    ``indexes`` maps the name of an index to its URL without credentials. ``own_pins`` maps a variant to the packages
    that it pins itself (the reason why a version may differ from that in other variants).
    """

    family: str
    target: dict[str, str]
    inputs: dict[str, str]
    indexes: dict[str, str]
    own_pins: dict[str, tuple[str, ...]]
    images: tuple[LockedImage, ...]
    packages: tuple[Package, ...]
    tools: tuple[Package, ...] = ()
    more_tools: tuple[ToolSet, ...] = ()

    def tools_for(self, package: Package) -> int:
        """The number of the tools that build ``package``: 1 for ``tools``, from 2 on for ``more_tools``."""
        for number, tools in enumerate(self.more_tools, 2):
            if package.pin in tools.builds:
                return number
        return 1

    @property
    def all_tools(self) -> tuple[Package, ...]:
        """The packages of every set of tools."""
        packages = list(self.tools)
        for tool_set in self.more_tools:
            packages.extend(tool_set.packages)
        return tuple(packages)

    @cached_property
    def variants(self) -> tuple[str, ...]:
        return tuple(sorted({image.variant for image in self.images}))

    @cached_property
    def by_variant(self) -> dict[str, dict[str, Package]]:
        """Variant to package name to package: one version each (guarantee 2)."""
        # Every variant gets a table, so that callers need not care whether an image of it has packages.
        table: dict[str, dict[str, Package]] = {variant: {} for variant in self.variants}
        for package in self.packages:
            for variant in package.variants:
                table[variant][package.name] = package
        return table

    @cached_property
    def by_tag(self) -> dict[tuple[str, str], LockedImage]:
        return {(image.name, image.variant): image for image in self.images}

    def chain(self, image: LockedImage) -> tuple[LockedImage, ...]:
        """The images that ``image`` builds on, from the root base to ``image`` itself."""
        links = [image]
        while (base := links[-1].base) is not None:
            links.append(self.by_tag[base, image.variant])
        return tuple(reversed(links))
