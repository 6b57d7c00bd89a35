"""The facts that lint rules are about: images, their packages, and the imports of their code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lockgen.core.lock import Lock, LockedImage
from lockgen.core.manifest import DeclaredRequirement, Image, Manifest
from lockgen.lint.local_modules import LocalModules
from lockgen.lint.model import REQUIRED_KINDS, CodeFile, ImageCode, Import
from lockgen.lint.provided_modules import ProvidedModules
from lockgen.lock.closure import Closures


@dataclass(frozen=True, slots=True)
class ImagePackages:
    """The pins of an image in one variant: all that are ``installed``, and those that are ``required`` by name."""

    image: str
    tag: str
    installed: frozenset[str]
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnrequiredImport:
    """An import that no requirement of the image provides. ``providers`` are other pins in the image that do."""

    imported: Import
    file: CodeFile
    image: ImagePackages
    providers: frozenset[str]


class Declaration(NamedTuple):
    """A requirement, the table of versions.toml that contains it, and the images that get it from there."""

    requirement: DeclaredRequirement
    table: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class LintContext:
    """Everything that a rule may read. ``code`` is by image; ``unknown`` are the pins whose modules are unknown."""

    manifest: Manifest
    lock: Lock
    code: Mapping[str, ImageCode]
    modules: ProvidedModules
    unknown: frozenset[str]
    standard_library: frozenset[str]

    @cached_property
    def images(self) -> list[ImagePackages]:
        closures = Closures(self.lock)
        images = [image for image in self.lock.images if image.name in self.manifest.images]
        return [_image_packages(self.lock, image, closures.of(image)) for image in images]

    @cached_property
    def declarations(self) -> list[Declaration]:
        every_image = tuple(sorted(self.manifest.images))
        found = [Declaration(requirement, "[common]", every_image) for requirement in self.manifest.common]
        for image in self.manifest.images.values():
            # Images on top inherit the packages, so their code may use them too.
            heirs = tuple(name for name in every_image if image in self.manifest.chain(name))
            table = f"[{_table(image)}]"
            found += [Declaration(requirement, table, heirs) for requirement in image.packages]
        return found

    @cached_property
    def used_packages(self) -> Mapping[str, set[str]]:
        """The names of the packages that each image uses, at run time or while it is built."""
        found: dict[str, set[str]] = {name: set() for name in self.manifest.images}
        for image in self.images:
            found[image.image] |= self._used_by(image)
        return found

    def _used_by(self, image: ImagePackages) -> set[str]:
        code = self.code[image.image]
        names: set[str] = set()
        used: set[str] = set()
        local = LocalModules(code)
        for file, imported in _imports(code):
            if imported.kind == "distribution":
                used.add(canonicalize_name(imported.name))
            elif self._may_use_package(file, imported, local):
                names.add(imported.name)
        # A preload command begins with the module that it runs.
        names |= {command.split()[0] for command in self.manifest.images[image.image].preload}
        for name in names:
            used |= {package_name(pin) for pin in self.modules.providers(name, image.installed)}
        return used

    def _may_use_package(self, file: CodeFile, imported: Import, local: LocalModules) -> bool:
        if imported.kind == "typing" or imported.top_level in self.standard_library:
            return False
        return not local.shadows_packages(file, imported)

    @cached_property
    def unrequired_imports(self) -> list[UnrequiredImport]:
        """Imports that the code needs, but that no requirement provides. Each image has its own entry."""
        return [found for image in self.images for found in self._unrequired_in(image)]

    def _unrequired_in(self, image: ImagePackages) -> Iterator[UnrequiredImport]:
        code = self.code[image.image]
        local = LocalModules(code)
        for file, imported in _imports(code):
            if imported.kind not in REQUIRED_KINDS or imported.top_level in self.standard_library:
                continue
            if local.is_reachable(file, imported):
                continue
            providers = self.modules.providers(imported.name, image.installed)
            if not providers and local.may_be_reachable(file, imported):
                continue
            if not providers & image.required:
                yield UnrequiredImport(imported, file, image, frozenset(providers))


def package_name(pin: str) -> str:
    """ "torch" for "torch==2.5.1"."""
    return pin.partition("==")[0]


def _table(image: Image) -> str:
    kind = "bases" if image.kind == "base" else "stages"
    return f"{kind}.{image.name}"


def _image_packages(lock: Lock, image: LockedImage, closure: Iterable[str]) -> ImagePackages:
    packages = lock.by_variant[image.variant]
    required = set()
    for link in lock.chain(image):
        for requirement in (*link.common, *link.requires):
            # A requirement whose marker excludes the target is not locked.
            if requirement.name in packages:
                required.add(packages[requirement.name].pin)
    installed = frozenset(packages[name].pin for name in closure)
    return ImagePackages(image.name, image.tag, installed, frozenset(required))


def _imports(code: ImageCode) -> Iterator[tuple[CodeFile, Import]]:
    for file in code.files:
        for imported in file.imports:
            yield file, imported
