"""`lockgen verify`: are built images what the lock says, layer by layer?"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import click

from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit
from lockgen.images import debian
from lockgen.images.docker import Docker
from lockgen.images.inspection import broken, installed, present, shared_files, wasted
from lockgen.images.layer_model import LayeredImage
from lockgen.images.layer_source import read_images
from lockgen.images.project_images import Family, chosen, read_family
from lockgen.lock.closure import image_closure
from lockgen.outputs.model import ImagePlan, ImageVariant

SITE = "opt/venv/lib/"
_COMPILER = re.compile(
    r"^usr/(local/)?(bin/((x86_64|aarch64)-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|clang|make|ld|rustc|cargo)(-[0-9.]+)?|lib/gcc/.*/cc1(plus)?)$"
)
_DEV = re.compile(r"^usr/share/doc/([^/]+-dev)/")
_CACHES = (
    (re.compile(r"^var/lib/apt/lists/.+_(Packages|InRelease)"), "apt lists"),
    (re.compile(r"^var/cache/apt/archives/.+\.deb$"), "apt archives"),
    (re.compile(r"^(root|home/[^/]+)/\.cache/(pip|uv)/"), "an installer's cache"),
)


@dataclass(frozen=True)
class ImageVerdict:
    """One image: what is wrong with it."""

    image: str
    packages: int
    faults: tuple[str, ...]


def run(root: Path, names: tuple[str, ...], registry: str | None, progress: Progress, *, as_json: bool) -> int:
    """Prints a line for each image; Exit.FOUND where one is not what the lock says.

    Raises:
        LockgenError: an image is not there, or cannot be read.
    """
    family = read_family(root)
    pairs = chosen(family.plan, names)
    docker = Docker(root.resolve())
    references = {variant.target: _reference(variant, family, registry) for _, variant in pairs}
    missing = [r for r in references.values() if docker.config(r) is None]
    if missing:
        raise BadInput(f"the engine has no image {', '.join(missing)}", hint="lockgen build")
    progress.step(f"reading {len(pairs)} images")
    images = read_images(root, list(references.values()))
    verdicts = []
    for image, variant in pairs:
        progress.step(f"verifying {image.name}:{variant.variant}")
        reference = references[variant.target]
        built = images.get(reference) or images[f"docker.io/{reference}"]
        verdicts.append(_verdict(docker, family, image, variant, built, reference))
    progress.step("")
    _print(verdicts, as_json=as_json)
    return Exit.FOUND if any(verdict.faults for verdict in verdicts) else Exit.DONE


def _reference(variant: ImageVariant, family: Family, registry: str | None) -> str:
    known = family.plan.registry
    if registry is None:
        return variant.reference
    return f"{registry}/{variant.reference.removeprefix(f'{known}/') if known else variant.reference}"


def _verdict(
    docker: Docker, family: Family, image: ImagePlan, variant: ImageVariant, built: LayeredImage, reference: str
) -> ImageVerdict:
    locked = family.lock.by_tag[image.name, variant.variant]
    table = family.lock.by_variant[variant.variant]
    closure = {name: table[name].version for name in image_closure(family.lock, locked)}
    base_layers = _base_layers(docker, family, variant, built, reference)
    faults = [
        *_distributions(built, closure),
        *broken(built, family.manifest.target, SITE),
        *_layers(built, base_layers),
        *_unasked(docker, family, image, reference, built),
        *_caches(built, base_layers),
        *_config(image, built, variant),
        *_running(docker, image, reference),
    ]
    return ImageVerdict(f"{image.name}:{variant.variant}", len(closure), tuple(faults))


def _distributions(built: LayeredImage, closure: dict[str, str]) -> list[str]:
    """Exactly the closure, in the one environment, and none of it elsewhere."""
    found: dict[str, str] = {}
    faults = []
    for folder, held in installed(built).items():
        if folder.startswith(SITE):
            found |= held
        else:
            faults += [f"{name} {held[name]} is also in /{folder}" for name in sorted(held.keys() & closure.keys())]
    for name in sorted(closure.keys() | found.keys()):
        want, have = closure.get(name), found.get(name)
        if want is None:
            faults.append(f"{name} {have} is installed, and not in the lock")
        elif have is None:
            faults.append(f"{name} {want} is in the lock, and not installed")
        elif _plain(want) != _plain(have):
            faults.append(f"{name} {have} is installed, the lock says {want}")
    return faults


def _plain(version: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(version.replace("_", "+")))
    except InvalidVersion:
        return version


def _layers(built: LayeredImage, base_layers: int) -> list[str]:
    """Disjoint layers. What the base image brought may go: a second Python is removed with all that it held."""
    shared = [entry for entry in shared_files(built) if entry[0].startswith("opt/venv/")]
    faults = [f"/{path} lies in layer {first} and in layer {second}" for path, first, second in shared[:5]]
    if len(shared) > 5:
        faults.append(f"and {len(shared) - 5} more files lie in two layers")
    for waste in wasted(built):
        if waste.kind != "twice" and waste.layer > base_layers:
            what = f"replaced by {waste.now}" if waste.now else waste.kind
            faults.append(f"{waste.package} {waste.version} of layer {waste.layer} is {what} in layer {waste.by}")
    return faults


def _base_layers(docker: Docker, family: Family, variant: ImageVariant, built: LayeredImage, reference: str) -> int:
    """How many layers are those of the image that it was built on; 0 where the engine does not have that one."""
    known = dict(family.plan.base_images)[variant.variant]
    below = docker.layers(built.labels.get("org.opencontainers.image.base.name", known))
    own = docker.layers(reference)
    return len(below) if own[: len(below)] == below else 0


def _unasked(docker: Docker, family: Family, image: ImagePlan, reference: str, built: LayeredImage) -> list[str]:
    """Compilers and -dev packages, the base image's too, but for those that an `apt` of versions.toml brings."""
    files = present(built)
    compilers = {path for path in files if _COMPILER.match(path)}
    headers = {match[1] for path in files if (match := _DEV.match(path))}
    asked = [name for link in family.manifest.chain(image.name) for name in link.apt]
    if asked and (compilers or headers):
        brought = debian.dependents(
            docker.run(reference, "-W", "-f", debian.FORMAT, entrypoint="dpkg-query").stdout, asked
        )
        headers -= brought
        owned = _owners(docker, reference, compilers)
        compilers = {path for path, owner in owned.items() if owner not in brought}
    return [*(f"a compiler: /{path}" for path in sorted(compilers)), *(f"a -dev package: {n}" for n in sorted(headers))]


def _owners(docker: Docker, reference: str, paths: set[str]) -> dict[str, str | None]:
    """The Debian package of each path; `cc` and the like are links that belong to none, so it is that of the target."""
    links = [f"/{path}" for path in sorted(paths)]
    targets = docker.run(reference, "-m", *links, entrypoint="readlink").stdout.splitlines()
    known = debian.owners(docker.run(reference, "-S", *targets, entrypoint="dpkg-query").stdout)
    owned = {link: known.get(target) for link, target in zip(links, targets, strict=False)}
    return {path: owned.get(f"/{path}") for path in paths}


def _caches(built: LayeredImage, base_layers: int) -> list[str]:
    """What package managers left where the build ran them; the base image's own is not its fault."""
    own = {path for layer in built.layers[base_layers:] for path in layer.files} & present(built)
    return [f"{what} left behind" for pattern, what in _CACHES if any(pattern.match(path) for path in own)]


def _config(image: ImagePlan, built: LayeredImage, variant: ImageVariant) -> list[str]:
    faults = []
    user = built.user.partition(":")[0]
    if user in {"", "0", "root"}:
        faults.append("it runs as root")
    if built.labels.get("dev.lockgen.lock") != variant.fingerprint:
        faults.append("its label says that it was built from another lock")
    if image.entrypoint is not None and not any(image.entrypoint in part for part in built.entrypoint):
        faults.append(f"its entrypoint is not {image.entrypoint}")
    return faults


def _running(docker: Docker, image: ImagePlan, reference: str) -> list[str]:
    faults = []
    if image.entrypoint is not None:
        for option in ("--help", "--self-check"):
            done = docker.run(reference, option)
            if done.code:
                faults.append(f"{option} fails: {done.last_lines(3)}")
    return faults


def _print(verdicts: list[ImageVerdict], *, as_json: bool) -> None:
    if as_json:
        rows = [{"image": v.image, "packages": v.packages, "faults": list(v.faults)} for v in verdicts]
        click.echo(json.dumps({"format": 1, "images": rows}, indent=2))
        return
    for verdict in verdicts:
        if not verdict.faults:
            click.echo(f"{verdict.image}: {verdict.packages} packages as locked, in disjoint layers")
        else:
            more = f" (and {len(verdict.faults) - 1} more)" if len(verdict.faults) > 1 else ""
            click.echo(f"{verdict.image}: {verdict.faults[0].splitlines()[0]}{more}")
            for fault in verdict.faults[1:]:
                click.echo(f"    {fault}")
