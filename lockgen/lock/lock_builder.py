"""Solutions and metadata to a Lock, and the checks that no resolver makes (guarantees 1, 2 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lockgen.core import accelerator
from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.core.resolution import Resolved, Solution
from lockgen.core.urls import redacted
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.lock.graph import DependencyReader, Node, dependencies_on, needed_nodes
from lockgen.lock.keys import FileKey, PackageKey
from lockgen.lock.requests import versions_of


def make_lock(
    manifest: Manifest,
    inputs: Mapping[str, str],
    solutions: Mapping[str, Solution],
    readers: Mapping[str, DependencyReader],
) -> Lock:
    """The lock of a family. ``solutions`` and ``readers`` are by variant, and may contain more than the images need.

    Raises:
        NoResolution: with one fault for each package that images cannot install from this solution.
    """
    images = tuple(_images(manifest))
    packages: dict[PackageKey, Package] = {}
    faults: list[Fault] = []
    for variant, solution in sorted(solutions.items()):
        # A joint solution also contains packages that only other variants need: they are not of this variant.
        nodes = needed_nodes(readers[variant], versions_of(solution), _requirements(images, variant))
        faults += _faults_of(manifest, variant, {name: solution.packages[name] for name in nodes})
        for name, node in nodes.items():
            _add(packages, _package(solution.packages[name], variant, node))
    if faults:
        # Two variants often have the same fault.
        raise NoResolution.of(dict.fromkeys(faults))
    return Lock(
        family=manifest.family,
        target={
            "python": manifest.target.release,
            "platform": manifest.target.platform,
            "glibc": manifest.target.glibc,
        },
        inputs=dict(inputs),
        indexes={name: redacted(index.url) for name, index in manifest.indexes.items()},
        own_pins={name: tuple(sorted(variant.pins)) for name, variant in manifest.variants.items() if variant.pins},
        images=images,
        packages=tuple(sorted(packages.values(), key=lambda package: package.sort_key)),
    )


def _images(manifest: Manifest) -> Iterable[LockedImage]:
    common = dependencies_on(manifest.target, manifest.common)
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        requires = dependencies_on(manifest.target, image.packages)
        # The common packages are installed once along a chain: in its root base.
        own_common = common if image.base is None else ()
        for variant in image.variants:
            yield LockedImage(image.name, variant, image.base, requires, own_common)


def _requirements(images: Iterable[LockedImage], variant: str) -> list[Dependency]:
    """The requirements of all ``images`` of ``variant``, each once."""
    found: set[Dependency] = set()
    for image in images:
        if image.variant == variant:
            found.update(image.common, image.requires)
    return sorted(found)


def _package(resolved: Resolved, variant: str, node: Node) -> Package:
    files = tuple(File(file.name, file.sha256 or "", file.size) for file in resolved.files)
    return Package(resolved.name, resolved.version, resolved.index, (variant,), files, node.requires, node.extras)


def _add(packages: dict[PackageKey, Package], package: Package) -> None:
    """Add a package of one variant. Variants that have the same build share one entry."""
    key = PackageKey(package.name, package.version, package.index)
    known = packages.get(key)
    if known is not None:
        variants = tuple(sorted({*known.variants, *package.variants}))
        package = replace(known, variants=variants, extras={**known.extras, **package.extras})
    packages[key] = package


def _faults_of(manifest: Manifest, variant: str, packages: Mapping[str, Resolved]) -> list[Fault]:
    pins = manifest.pins_of(variant)
    faults = []
    for name, package in packages.items():
        fault = _file_fault(manifest, package)
        if fault is not None:
            path = pins[name].path if name in pins else None
            faults.append(replace(fault, path=path))
    faults += _index_faults(manifest, variant, packages)
    return faults


def _file_fault(manifest: Manifest, package: Resolved) -> Fault | None:
    pin = f"{package.name} {package.version}"
    target = manifest.target
    if not package.files:
        where = f"Python {target.release}, {target.platform}, glibc {target.glibc}"
        return Fault(
            f"{pin} has no file for {where}",
            hint=f'pin another version, or allow building it from source: [family] build = ["{package.name}"]',
        )
    unhashed = sorted(file.name for file in package.files if file.sha256 is None)
    if unhashed:
        return Fault(
            f"{pin}: the index gives no sha256 for {', '.join(unhashed)}",
            hint="every locked file needs a hash; use an index that provides hashes, or run `lockgen index record`",
        )
    return None


def _index_faults(manifest: Manifest, variant: str, packages: Mapping[str, Resolved]) -> list[Fault]:
    """Listed packages from the default index, and a mix of accelerators in one variant (guarantee 4)."""
    faults = []
    listed = sorted(manifest.listed & packages.keys())
    own_pins = manifest.variants[variant].pins
    for name in listed:
        from_default = packages[name].index is None and manifest.index_of(name, variant) is None
        # By pinning a listed package itself, a variant accepts the default index's build of it.
        if from_default and name not in own_pins:
            faults.append(no_index_fault(manifest, variant, name))
    mixed = _mixed_accelerators([packages[name] for name in listed])
    if mixed:
        message = f"variant {variant} mixes accelerators: {mixed}"
        hint = "pin builds for one accelerator"
        faults.append(Fault(message, hint=hint, path=("variants", variant)))
    return faults


def _mixed_accelerators(packages: Iterable[Resolved]) -> str:
    """The packages by accelerator, "" if there is only one."""
    by_accelerator: dict[str, list[str]] = {}
    for package in packages:
        label = accelerator.of_version(parse_version(package.version))
        if label is not None:
            by_accelerator.setdefault(label, []).append(f"{package.name} {package.version}")
    if len(by_accelerator) < 2:
        return ""
    return "; ".join(f"{label}: {', '.join(names)}" for label, names in sorted(by_accelerator.items()))


def no_index_fault(manifest: Manifest, variant: str, name: str) -> Fault:
    """The fault of a ``variant`` that needs a listed package which its index does not list."""
    owners = sorted(index.name for index in manifest.indexes.values() if name in index.packages)
    return Fault(
        f"variant {variant} needs {name}, which comes only from {' or '.join(owners)}",
        hint=f'set [variants.{variant}] index = "{owners[0]}", or pin {name} for the variant',
        path=("variants", variant),
    )


def check_hashes(old: Lock | None, new: Lock, opened: frozenset[str] | None) -> None:
    """Refuse a file whose sha256 differs from the one in the old lock.

    Packages in ``opened`` may change their hashes, None means all packages.

    Raises:
        ToolFailed: with one fault for each such file.
    """
    if old is None or opened is None:
        return
    known: dict[tuple[str, FileKey], str] = {}
    for package in old.packages:
        for file in package.files:
            known[package.name, FileKey(package.index, file.name)] = file.sha256
    faults = []
    for package in new.packages:
        if package.name in opened:
            continue
        for file in package.files:
            locked = known.get((package.name, FileKey(package.index, file.name)))
            if locked is not None and locked != file.sha256:
                faults.append(_hash_fault(package, file, locked))
    if faults:
        raise ToolFailed.of(faults)


def _hash_fault(package: Package, file: File, locked: str) -> Fault:
    return Fault(
        f"the sha256 of {file.name} differs from the lock",
        reason=f"lock:  {locked}\nindex: {file.sha256} ({package.index or 'default index'})",
        hint="the file was replaced on the index, or the lock was edited; to accept the new hash, run"
        f" `lockgen resolve -P {package.name}`",
    )
