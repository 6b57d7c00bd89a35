"""Verify that a built image contains exactly what the lock says, in layers that do not overwrite one another."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lockgen.core.parsing import parse_version
from lockgen.core.words import counted
from lockgen.images import debian
from lockgen.images.docker import Docker
from lockgen.images.inspection import installed, present, shared_files, unmet_requirements
from lockgen.images.layer_model import LayeredImage
from lockgen.images.layer_waste import wasted
from lockgen.images.project_images import Family, SelectedImage
from lockgen.lock.closure import image_closure
from lockgen.proof.built_images import LOCK_LABEL

SITE = "opt/venv/lib/"
_ENVIRONMENT = "opt/venv/"
_COMPILER = re.compile(
    r"^usr/(local/)?(bin/((x86_64|aarch64)-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|clang|make|ld|rustc|cargo)(-[0-9.]+)?|lib/gcc/.*/cc1(plus)?)$"
)
_DEV_PACKAGE = re.compile(r"^usr/share/doc/([^/]+-dev)/")
_CACHES = (
    (re.compile(r"^var/lib/apt/lists/.+_(Packages|InRelease)"), "apt lists"),
    (re.compile(r"^var/cache/apt/archives/.+\.deb$"), "apt archives"),
    (re.compile(r"^(root|home/[^/]+)/\.cache/(pip|uv)/"), "an installer's cache"),
)
_SHOWN_FILES = 5
"""The most files in two layers that have a fault of their own: one mistake may duplicate thousands."""


@dataclass(frozen=True)
class ImageVerdict:
    """One image: the number of its packages, and what is wrong with it."""

    image: str
    packages: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class ImageVerifier:
    """Verifies the images of one family on one engine."""

    docker: Docker
    family: Family

    def verify(self, selected: SelectedImage, built: LayeredImage, reference: str) -> ImageVerdict:
        """Compare ``built``, the image under ``reference``, with the lock.

        Raises:
            ToolFailed: the engine failed.
        """
        variant = selected.variant.variant
        lock = self.family.lock
        table = lock.by_variant[variant]
        names = image_closure(lock, lock.by_tag[selected.image.name, variant])
        closure = {name: table[name].version for name in names}
        base_layers = self._count_base_layers(selected, built, reference)
        faults = [
            *_distribution_faults(built, closure),
            *unmet_requirements(built, self.family.manifest.target, SITE),
            *_layer_faults(built, base_layers),
            *self._unrequested_tools(selected, built, reference),
            *_cache_faults(built, base_layers),
            *_config_faults(selected, built),
            *self._entrypoint_faults(selected, reference),
        ]
        return ImageVerdict(selected.tag, len(closure), tuple(faults))

    def _count_base_layers(self, selected: SelectedImage, built: LayeredImage, reference: str) -> int:
        """How many layers come from the base image; 0 if the engine does not have that image."""
        locked = dict(self.family.plan.base_images)[selected.variant.variant]
        # The label names the base that was used, which --base may have replaced.
        base = built.labels.get("org.opencontainers.image.base.name", locked)
        below = self.docker.layers(base)
        count = len(below)
        own = self.docker.layers(reference)
        # The tag may name a newer image by now.
        is_below = own[:count] == below
        return count if is_below else 0

    def _unrequested_tools(self, selected: SelectedImage, built: LayeredImage, reference: str) -> list[str]:
        """Compilers and -dev packages, also those of the base image, unless an `apt` in versions.toml brings them."""
        files = present(built)
        compilers = {path for path in files if _COMPILER.match(path)}
        headers = _dev_packages(files)
        requested: list[str] = []
        for link in self.family.manifest.chain(selected.image.name):
            requested += link.apt
        # Running dpkg-query in the image takes seconds: only if it could change the verdict.
        if requested and (compilers or headers):
            listed = self.docker.run(reference, "-W", "-f", debian.FORMAT, entrypoint="dpkg-query").stdout
            brought = debian.with_dependencies(listed, requested)
            headers -= brought
            owners = self._debian_owners(reference, compilers)
            compilers = {path for path in compilers if owners.get(path) not in brought}
        faults = [f"a compiler: /{path}" for path in sorted(compilers)]
        faults += [f"a -dev package: {name}" for name in sorted(headers)]
        return faults

    def _debian_owners(self, reference: str, paths: Collection[str]) -> dict[str, str]:
        """The Debian package of each path that has one.

        `cc` and the like are links that belong to no package, so the package of a link's target counts.
        """
        links = sorted(paths)
        absolute = [f"/{path}" for path in links]
        targets = self.docker.run(reference, "-m", *absolute, entrypoint="readlink").stdout.splitlines()
        listed = self.docker.run(reference, "-S", *targets, entrypoint="dpkg-query").stdout
        package_of = debian.parse_owners(listed)
        owners = {}
        for link, target in zip(links, targets, strict=False):
            if target in package_of:
                owners[link] = package_of[target]
        return owners

    def _entrypoint_faults(self, selected: SelectedImage, reference: str) -> list[str]:
        if selected.image.entrypoint is None:
            return []
        faults = []
        for option in ("--help", "--self-check"):
            done = self.docker.run(reference, option)
            if done.code:
                faults.append(f"{option} fails: {done.last_lines(3)}")
        return faults


def _distribution_faults(built: LayeredImage, closure: Mapping[str, str]) -> list[str]:
    """Check that the environment contains exactly the closure, and no other folder contains any of it."""
    found: dict[str, str] = {}
    faults = []
    for folder, versions in installed(built).items():
        if folder.startswith(SITE):
            found |= versions
            continue
        elsewhere = sorted(versions.keys() & closure.keys())
        faults += [f"{name} {versions[name]} is also in /{folder}" for name in elsewhere]
    for name in sorted(closure.keys() | found.keys()):
        locked = closure.get(name)
        version = found.get(name)
        if locked is None:
            faults.append(f"{name} {version} is installed, but not in the lock")
        elif version is None:
            faults.append(f"{name} {locked} is in the lock, but not installed")
        elif _normalized(locked) != _normalized(version):
            faults.append(f"{name} {version} is installed, but {locked} is locked")
    return faults


def _normalized(version: str) -> str:
    """The canonical spelling of a version. The name of a .dist-info folder has _ where the version has +."""
    from packaging.version import InvalidVersion

    try:
        return str(parse_version(version.replace("_", "+")))
    except InvalidVersion:
        return version


def _layer_faults(built: LayeredImage, base_layers: int) -> list[str]:
    """Check that no two layers contain the same file, and that no layer replaces packages of another."""
    shared = [file for file in shared_files(built) if file.path.startswith(_ENVIRONMENT)]
    faults = [f"/{file.path} is in layer {file.first} and in layer {file.second}" for file in shared[:_SHOWN_FILES]]
    hidden = len(shared) - _SHOWN_FILES
    if hidden > 0:
        faults.append(f"{counted(hidden, 'more file is', 'more files are')} in two layers")
    for waste in wasted(built):
        # The build may remove packages of the base image: a second Python goes with all its packages.
        if waste.kind == "twice" or waste.layer <= base_layers:
            continue
        package = f"{waste.package} {waste.version} of layer {waste.layer}"
        change = f"replaced by {waste.now}" if waste.now else waste.kind
        faults.append(f"{package} is {change} in layer {waste.by}")
    return faults


def _dev_packages(files: Collection[str]) -> set[str]:
    matches = [_DEV_PACKAGE.match(path) for path in files]
    return {match[1] for match in matches if match is not None}


def _cache_faults(built: LayeredImage, base_layers: int) -> list[str]:
    """Check that package managers left no caches; those in the base image are not the build's fault."""
    own: set[str] = set()
    for layer in built.layers[base_layers:]:
        own.update(layer.files)
    left = own & present(built)
    faults = []
    for pattern, cache in _CACHES:
        if any(pattern.match(path) for path in left):
            faults.append(f"{cache} left behind")
    return faults


def _config_faults(selected: SelectedImage, built: LayeredImage) -> list[str]:
    faults = []
    user = built.user.partition(":")[0]
    # An image without a user runs as root.
    if user in {"", "0", "root"}:
        faults.append("it runs as root")
    if built.labels.get(LOCK_LABEL) != selected.variant.fingerprint:
        faults.append("its label shows that it was built from another lock")
    entrypoint = selected.image.entrypoint
    if entrypoint is not None and not any(entrypoint in part for part in built.entrypoint):
        faults.append(f"its entrypoint is not {entrypoint}")
    return faults
