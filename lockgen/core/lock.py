"""The lock: the resolved family as data. Everything lockgen writes is a pure function of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from packaging.version import Version


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A distribution file usable on the target. ``sha256`` is the file's own, never its METADATA's.

    ``size`` in bytes, None where the index does not say. ``installed`` is what its files come to on disk, in bytes;
    only the file that an image installs may have it, and None is unknown.
    """

    name: str
    sha256: str
    size: int | None = None
    installed: int | None = None

    @property
    def is_wheel(self) -> bool:
        return self.name.endswith(".whl")


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """What a package, or an image, asks for: a canonical name, extras, and the bounds as text ("" for any)."""

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


@dataclass(frozen=True, slots=True)
class Package:
    """One version of one package from one index (None is the default index).

    ``requires`` holds what the target's markers let through; ``extras`` the same for each extra that
    the family asks for. ``variants`` are those whose images carry it. The first of ``files`` is the
    one that is installed; the others have the same metadata.
    """

    name: str
    version: str
    index: str | None
    variants: tuple[str, ...]
    files: tuple[File, ...]
    requires: tuple[Dependency, ...] = ()
    extras: dict[str, tuple[Dependency, ...]] = field(default_factory=dict)

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def built(self) -> bool:
        """Whether an image has to build it: it has no wheel for the target."""
        return not any(file.is_wheel for file in self.files)

    @property
    def chosen(self) -> File:
        """The file that an image installs: the first. Older locks sort files by name, but only that one has a size."""
        return next((file for file in self.files if file.installed is not None), self.files[0])

    @property
    def sort_key(self) -> tuple[str, Version, str]:
        return self.name, Version(self.version), self.index or ""


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image in one variant. ``base`` is the image below it in the same variant, None for a root base.

    ``common`` is what docker/requirements-common.txt asks for where it is a root base, else empty.
    """

    name: str
    variant: str
    base: str | None
    requires: tuple[Dependency, ...]
    common: tuple[Dependency, ...] = ()

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.variant}"


@dataclass(frozen=True, slots=True)
class ToolSet:
    """What builds the packages of ``builds`` (pins), where they do not go together with what builds the others."""

    builds: tuple[str, ...]
    packages: tuple[Package, ...]


@dataclass(frozen=True)
class Lock:
    """The family, resolved. ``inputs`` maps each input to its fingerprint ("sha256:...").

    ``tools`` are what installs and builds while an image is made; no image holds them. ``more_tools`` are those of
    packages whose builds require what does not go together with it.
    ``indexes`` maps an index's name to its URL without credentials; ``own_pins`` maps a variant to the packages that
    it pins for itself (the reason why a version may differ from the other variants').
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
        numbers = [number for number, tools in enumerate(self.more_tools, 2) if package.pin in tools.builds]
        return numbers[0] if numbers else 1

    @property
    def all_tools(self) -> tuple[Package, ...]:
        """The packages of every set of tools."""
        return (*self.tools, *(package for tools in self.more_tools for package in tools.packages))

    @cached_property
    def variants(self) -> tuple[str, ...]:
        return tuple(sorted({image.variant for image in self.images}))

    @cached_property
    def by_variant(self) -> dict[str, dict[str, Package]]:
        """Variant to package name to package: one version each (guarantee 2)."""
        table: dict[str, dict[str, Package]] = {variant: {} for variant in self.variants}
        for package in self.packages:
            for variant in package.variants:
                table[variant][package.name] = package
        return table

    @cached_property
    def by_tag(self) -> dict[tuple[str, str], LockedImage]:
        return {(image.name, image.variant): image for image in self.images}

    def chain(self, image: LockedImage) -> tuple[LockedImage, ...]:
        """The images that ``image`` stands on, the root base first, ``image`` last."""
        links = [image]
        while (base := links[-1].base) is not None:
            links.append(self.by_tag[base, image.variant])
        return tuple(reversed(links))
