"""Solutions and metadata to a Lock, with what a resolver's yes does not say (laws 1, 2 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.version import Version

from lockgen.core import accelerator
from lockgen.core.lock import File, Lock, LockedImage, Package
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Resolved, Solution
from lockgen.core.urls import redacted
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.lock.graph import Node, Reader, asked_on, reach


def make_lock(
    manifest: Manifest,
    inputs: Mapping[str, str],
    solutions: Mapping[str, Solution],
    readers: Mapping[str, Reader],
) -> Lock:
    """The lock of a family. ``solutions`` and ``readers`` are by variant; each may hold more than is needed.

    Raises:
        NoResolution: with one fault for each package that no image can install as it stands.
    """
    images = tuple(_images(manifest))
    packages: dict[tuple[str, str, str | None], Package] = {}
    faults: list[Fault] = []
    for variant, solution in sorted(solutions.items()):
        asks = {ask for image in images if image.variant == variant for ask in (*image.common, *image.requires)}
        versions = {name: package.version for name, package in solution.packages.items()}
        nodes = reach(readers[variant], versions, sorted(asks))
        faults += _faults_of(manifest, variant, {name: solution.packages[name] for name in nodes})
        for name, node in nodes.items():
            _add(packages, _package(solution.packages[name], variant, node))
    if faults:
        raise NoResolution.of(dict.fromkeys(faults))
    return Lock(
        family=manifest.family,
        target={
            "python": manifest.target.python,
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
    common = asked_on(manifest.target, manifest.common)
    for image in sorted(manifest.images.values(), key=lambda image: image.name):
        requires = asked_on(manifest.target, image.packages)
        for variant in image.variants:
            yield LockedImage(image.name, variant, image.base, requires, common if image.base is None else ())


def _package(resolved: Resolved, variant: str, node: Node) -> Package:
    files = tuple(File(file.name, file.sha256 or "", file.size) for file in resolved.files)
    return Package(resolved.name, resolved.version, resolved.index, (variant,), files, node.requires, node.extras)


def _add(packages: dict[tuple[str, str, str | None], Package], package: Package) -> None:
    key = (package.name, package.version, package.index)
    known = packages.get(key)
    if known is not None:
        variants = tuple(sorted({*known.variants, *package.variants}))
        package = replace(known, variants=variants, extras={**known.extras, **package.extras})
    packages[key] = package


def _faults_of(manifest: Manifest, variant: str, packages: Mapping[str, Resolved]) -> list[Fault]:
    pins = manifest.pins_of(variant)
    faults = []
    for name, package in packages.items():
        if (fault := _file_fault(manifest, package)) is not None:
            faults.append(replace(fault, path=pins[name].path if name in pins else None))
    faults += _index_faults(manifest, variant, packages)
    return faults


def _file_fault(manifest: Manifest, package: Resolved) -> Fault | None:
    pin = f"{package.name} {package.version}"
    target = manifest.target
    if not package.files:
        where = f"Python {target.python}, {target.platform}, glibc {target.glibc}"
        return Fault(
            f"{pin} has no file that is usable on {where}",
            hint=f'pin another version, or have it built: [family] build = ["{package.name}"]',
        )
    unhashed = sorted(file.name for file in package.files if file.sha256 is None)
    if unhashed:
        return Fault(
            f"{pin}: the index gives no sha256 for {', '.join(unhashed)}",
            hint="lockgen writes no line without a hash; use an index that has them, or `lockgen index record`",
        )
    return None


def _index_faults(manifest: Manifest, variant: str, packages: Mapping[str, Resolved]) -> list[Fault]:
    faults = []
    builds: dict[str, list[str]] = {}
    own = manifest.variants[variant].pins
    for name in sorted(manifest.listed & packages.keys()):
        package = packages[name]
        build = accelerator.of_version(Version(package.version))
        if build is not None:
            builds.setdefault(build, []).append(f"{name} {package.version}")
        # A pin of the variant's own is somebody saying by name that the default index's build is meant.
        if package.index is None and manifest.index_of(name, variant) is None and name not in own:
            faults.append(no_index_fault(manifest, variant, name))
    if len(builds) > 1:
        mixed = "; ".join(f"{build}: {', '.join(names)}" for build, names in sorted(builds.items()))
        message = f"variant {variant} mixes accelerators: {mixed}"
        faults.append(Fault(message, hint="pin them to one", path=("variants", variant)))
    return faults


def no_index_fault(manifest: Manifest, variant: str, name: str) -> Fault:
    """``variant`` needs a listed package, and its index does not list it."""
    owners = sorted(index.name for index in manifest.indexes.values() if name in index.packages)
    return Fault(
        f"variant {variant} needs {name}, which comes only from {' or '.join(owners)}",
        hint=f'give [variants.{variant}] index = "{owners[0]}", or its own pin of {name}',
        path=("variants", variant),
    )


def check_hashes(old: Lock | None, new: Lock, opened: frozenset[str] | None) -> None:
    """Refuses a file whose sha256 is not the one that the old lock has for it.

    ``opened`` are the packages that the caller asked to take anew, None for all of them.

    Raises:
        ToolFailed: with one fault for each file.
    """
    if old is None or opened is None:
        return
    known = {(p.index, p.name, file.name): file.sha256 for p in old.packages for file in p.files}
    faults = [
        Fault(
            f"{file.name} has another sha256 than in the lock",
            reason=f"lock:  {known[p.index, p.name, file.name]}\nindex: {file.sha256} ({p.index or 'default index'})",
            hint=f"somebody replaced the file, or edited the lock; to accept it: lockgen resolve -P {p.name}",
        )
        for p in new.packages
        if p.name not in opened
        for file in p.files
        if known.get((p.index, p.name, file.name), file.sha256) != file.sha256
    ]
    if faults:
        raise ToolFailed.of(faults)
