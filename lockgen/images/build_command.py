"""`lockgen build`: the family's images with bake, on whatever builder there is."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from lockgen.core.layout import BAKE, variable
from lockgen.core.ports import Progress
from lockgen.core.text_table import table
from lockgen.errors import BadInput, Exit
from lockgen.images.affected import affected, inputs_of
from lockgen.images.build_model import BuildStep, owner
from lockgen.images.docker import Docker
from lockgen.images.project_images import Family, chosen, read_family, refuse_drift
from lockgen.io.git import changed_since, last_commit, show
from lockgen.io.uv import default_index
from lockgen.manifest.reader import close_match
from lockgen.outputs.model import FamilyPlan, ImagePlan, ImageVariant

Pair = tuple[ImagePlan, ImageVariant]


@dataclass(frozen=True)
class BuildOptions:
    """What the command line says. ``bases`` are NAME=OTHER, NAME being a variant or its base image."""

    push: bool = False
    affected: str | None = None
    bases: tuple[str, ...] = ()
    builder: str | None = None
    registry: str | None = None
    wheelhouse: Path | None = None
    cache: str | None = None
    no_cache: bool = False
    accept_drift: bool = False
    dry_run: bool = False
    as_json: bool = False


def run(root: Path, names: tuple[str, ...], options: BuildOptions, progress: Progress) -> int:
    """Builds; prints a table of the images with time and size to stdout.

    Raises:
        LockgenError: nothing to build with, or a build failed.
    """
    root = root.resolve()
    family = read_family(root)
    refuse_drift(family, accept=options.accept_drift)
    pairs = chosen(family.plan, names)
    if options.affected is not None:
        pairs = _affected(root, family.plan, pairs, options.affected)
    _require_copies(root, pairs, family)
    if not pairs or options.dry_run:
        _report(pairs, [], {}, options, 0.0)
        return Exit.DONE
    docker = Docker(root, options.builder).required()
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        return _build(docker, family, pairs, options, Path(folder), progress)


def _build(
    docker: Docker, family: Family, pairs: list[Pair], options: BuildOptions, folder: Path, progress: Progress
) -> int:
    bases = _bases(family.plan, options.bases)
    environment = {**os.environ, **bases}
    if options.registry is not None:
        environment["REGISTRY"] = options.registry
    if options.cache is not None:
        environment["CACHE"] = options.cache
    if options.wheelhouse is not None:
        environment["WHEELHOUSE"] = str(_wheelhouse(options.wheelhouse))
    override = folder / "override.json"
    override.write_text(json.dumps(_override(docker, family, bases, options, folder)))
    arguments = [variant.target for _, variant in pairs]
    arguments += ["--push"] if options.push else []
    if not options.push and not docker.builds_here:
        arguments.append("--load")
    arguments += ["--no-cache"] if options.no_cache else []
    started = time.monotonic()
    progress.note(f"building {len(pairs)} image{'s' if len(pairs) != 1 else ''}")
    steps = docker.bake([docker.root / BAKE, override], arguments, environment, _images(family.plan), progress)
    took = time.monotonic() - started
    registry = options.registry if options.registry is not None else family.plan.registry
    # Pushed by a builder that is no engine, it is here only if an older one is.
    held = pairs if docker.builds_here or not options.push else []
    sizes = {v.target: docker.size(_named(v, family.plan, registry)) for _, v in held}
    progress.step("")
    images = _images(family.plan)
    _report(pairs, [(owner(step, images), step) for step in steps], sizes, options, took)
    return Exit.DONE


def _images(plan: FamilyPlan) -> dict[str, str]:
    """Which image a bake target is of, those of its own stages included; what others stand on comes first."""
    found: dict[str, str] = {}
    for image in plan.images:
        for variant in image.variants:
            name = f"{image.name}:{variant.variant}"
            own = (variant.target, *(f"_{variant.target}-{part}" for part in ("system", "tools")))
            found |= dict.fromkeys(own, name)
    return found


def _named(variant: ImageVariant, plan: FamilyPlan, registry: str | None) -> str:
    tail = variant.reference.removeprefix(f"{plan.registry}/") if plan.registry else variant.reference
    return f"{registry}/{tail}" if registry else tail


def _affected(root: Path, plan: FamilyPlan, pairs: list[Pair], ref: str) -> list[Pair]:
    changed = changed_since(root, ref)
    before = show(root, ref, BAKE)
    now = (root / BAKE).read_text(encoding="utf-8")
    targets = set(affected(plan, changed, (before or b"").decode("utf-8", "replace"), now))
    return [pair for pair in pairs if pair[1].target in targets]


def _require_copies(root: Path, pairs: list[Pair], family: Family) -> None:
    missing = sorted({folder for image, _ in pairs for folder in image.copy if not (root / folder).is_dir()})
    if missing:
        raise BadInput(
            f"there is no folder {', '.join(missing)} to copy into images", hint="make it, or take it out of `copy`"
        )


def _bases(plan: FamilyPlan, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=OTHER as bake variables."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, other = text.partition("=")
        if not equals or not other:
            raise BadInput(f"{text!r} is not NAME=OTHER", hint="as in --base cuda=mirror.example/nvidia/cuda:12.1.0")
        variants = [variant for variant, reference in plan.base_images if name in {variant, reference}]
        if not variants:
            known = [part for pair in plan.base_images for part in pair]
            raise BadInput(f"no variant or base image is called {name!r}", hint=close_match(name, known))
        found |= {variable(variant): other for variant in variants}
    return found


def _wheelhouse(folder: Path) -> Path:
    if not (folder / "wheelhouse.json").is_file():
        raise BadInput(f"{folder} is no wheelhouse", hint=f"fill it with `lockgen fetch {folder}`")
    return folder.resolve()


def _override(
    docker: Docker, family: Family, bases: dict[str, str], options: BuildOptions, folder: Path
) -> dict[str, object]:
    """What this build adds to the bake file: labels that only it knows, secrets, and the network."""
    index = default_index()
    secrets = _secrets(index, folder)
    local = any(_is_loopback(url) for url in (index, *family.lock.indexes.values()))
    shared: dict[str, object] = {"secret": secrets}
    if local and options.wheelhouse is None:
        shared["network"] = "host"
    digests = {
        variant: docker.digest(bases.get(variable(variant), reference))
        for variant, reference in family.plan.base_images
    }
    targets: dict[str, dict[str, object]] = {}
    plans = {image.name: image for image in family.plan.images}
    for image in family.plan.images:
        below = [plans[link.name] for link in family.manifest.chain(image.name)[:-1]]
        revision = last_commit(docker.root, inputs_of(image, below))
        for variant in image.variants:
            labels = {
                "org.opencontainers.image.revision": revision,
                "org.opencontainers.image.base.digest": digests[variant.variant],
            }
            known = {key: value for key, value in labels.items() if value}
            # System packages and models lie in no wheelhouse; Python's come from there with any network.
            alone = options.wheelhouse is not None and not _asks_network(image)
            own = {**shared, "network": "none"} if alone else shared
            targets[variant.target] = {**own, "labels": known}
            if variant.base is None:
                targets[f"_{variant.target}-system"] = {}
                targets[f"_{variant.target}-tools"] = dict(shared)
    return {"target": targets}


def _asks_network(image: ImagePlan) -> bool:
    """Whether a step of its own target does; the system of a root base is a target by itself."""
    return bool(image.preload or (image.apt and not image.root) or (image.build_apt and image.built is not None))


def _secrets(index: str, folder: Path) -> list[str]:
    """The user's own index and credentials, as secrets: they are mounted while installing, and never in a layer."""
    (folder / "uv.toml").write_text(f"[[index]]\nurl = {json.dumps(index)}\ndefault = true\n")
    (folder / "pip.conf").write_text(f"[global]\nindex-url = {index.replace('%', '%%')}\n")
    secrets = [f"id={name},src={folder / name}" for name in ("uv.toml", "pip.conf")]
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    if netrc.is_file():
        secrets.append(f"id=netrc,src={netrc}")
    for name in ("uv.toml", "pip.conf"):
        (folder / name).chmod(0o600)
    return secrets


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _report(
    pairs: list[Pair],
    owned: list[tuple[str, BuildStep]],
    sizes: dict[str, int | None],
    options: BuildOptions,
    took: float,
) -> None:
    rows = []
    for image, variant in pairs:
        own = [step for name, step in owned if name == f"{image.name}:{variant.variant}"]
        work = [step for step in own if step.works]
        rows.append(
            {
                "image": f"{image.name}:{variant.variant}",
                "steps": len(work),
                "cached": sum(step.cached for step in work),
                "installed": sum(step.installs and not step.cached for step in work),
                "ran": [step.text.partition("] ")[2].splitlines()[0] for step in work if not step.cached],
                "seconds": round(sum(step.seconds for step in own if not step.cached), 1),
                "bytes": sizes.get(variant.target),
            }
        )
    if options.as_json:
        click.echo(json.dumps({"format": 1, "seconds": round(took, 1), "images": rows}, indent=2))
        return
    if not rows:
        click.echo("nothing to build")
    elif options.dry_run:
        click.echo("\n".join(str(row["image"]) for row in rows))
    else:
        click.echo(table(["image", "steps", "cached", "installed", "seconds", "size"], [_cells(row) for row in rows]))
        click.echo(f"{len(rows)} images in {took:.1f} s")


def _cells(row: dict[str, object]) -> list[str]:
    size = row["bytes"]
    shown = f"{size / 1e6:.1f} MB" if isinstance(size, int) else "-"
    return [*(str(row[key]) for key in ("image", "steps", "cached", "installed", "seconds")), shown]
