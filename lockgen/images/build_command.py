"""`lockgen build`: build the family's images with docker buildx bake, on any builder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgen.app import App
from lockgen.core.close_match import close_match
from lockgen.core.layout import BAKE, HELPERS, variable
from lockgen.core.ports import Progress
from lockgen.core.text_table import table
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit
from lockgen.images.affected import affected
from lockgen.images.build_model import BuildStep, owner
from lockgen.images.build_override import OverrideWriter
from lockgen.images.docker import Docker
from lockgen.images.project_images import Family, SelectedImage, in_registry, read_family, refuse_drift, select_images
from lockgen.images.wheelhouse import INDEX
from lockgen.io.git import changed_since, show
from lockgen.io.output import print_json, print_text
from lockgen.io.temporary import temporary_folder
from lockgen.outputs.model import FamilyPlan


@dataclass(frozen=True)
class BuildOptions:
    """The options of the command. Each of ``bases`` is NAME=OTHER, where NAME is a variant or its base image."""

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


@dataclass(frozen=True)
class BuildResult:
    """A finished build: its steps, the size of each target in bytes (None where unknown), and the seconds it took."""

    steps: Sequence[BuildStep]
    sizes: Mapping[str, int | None]
    seconds: float


_NOTHING_BUILT = BuildResult((), {}, 0.0)


@dataclass(frozen=True)
class _Row:
    """One line of the summary."""

    image: str
    work: Sequence[BuildStep]
    seconds: float
    size: int | None

    @property
    def cached(self) -> int:
        return sum(step.cached for step in self.work)

    @property
    def installed(self) -> int:
        return sum(step.installs and not step.cached for step in self.work)


def run(app: App, names: tuple[str, ...], options: BuildOptions) -> int:
    """Build the images, and print a table of them with time and size to stdout.

    Raises:
        LockgenError: no builder is available, or a build failed.
    """
    root = app.root.resolve()
    family = read_family(root)
    refuse_drift(family, accept=options.accept_drift)
    images = select_images(family.plan, names)
    if options.affected is not None:
        images = _affected_since(options.affected, root, family.plan, images)
    _require_copied_folders(root, images)
    if not images or options.dry_run:
        _report(images, {}, _NOTHING_BUILT, options)
        return Exit.DONE
    docker = Docker(root, options.builder).required()
    with temporary_folder() as folder:
        result = _build(docker, family, images, options, folder, app.progress)
    _report(images, _images_by_target(family.plan), result, options)
    return Exit.DONE


def _affected_since(ref: str, root: Path, plan: FamilyPlan, images: list[SelectedImage]) -> list[SelectedImage]:
    changed = changed_since(root, ref)
    # Empty if the commit has no bake file yet: then every target is new.
    committed = show(root, ref, BAKE) or b""
    before = committed.decode("utf-8", "replace")
    now = (root / BAKE).read_text(encoding="utf-8")
    targets = set(affected(plan, changed, before, now))
    return [selected for selected in images if selected.variant.target in targets]


def _require_copied_folders(root: Path, images: list[SelectedImage]) -> None:
    # BuildKit's own message for a missing folder does not mention versions.toml.
    copied = {folder for selected in images for folder in selected.image.copy}
    missing = sorted(folder for folder in copied if not (root / folder).is_dir())
    if missing:
        raise BadInput(
            f"missing folder to copy into images: {', '.join(missing)}",
            hint="create it, or remove it from `copy` in versions.toml",
        )


def _build(
    docker: Docker,
    family: Family,
    images: list[SelectedImage],
    options: BuildOptions,
    folder: Path,
    progress: Progress,
) -> BuildResult:
    bases = _replaced_bases(family.plan, options.bases)
    environment = _environment(bases, options)
    writer = OverrideWriter(docker, family, bases, offline=options.wheelhouse is not None)
    override = writer.write(folder)
    arguments = _bake_arguments(docker, images, options)
    owners = _images_by_target(family.plan)
    started = time.monotonic()
    progress.note(f"building {counted(len(images), 'image')}")
    # The override comes last: bake takes the later of two settings.
    files = [docker.root / BAKE, override]
    steps = docker.bake(files, arguments, environment, owners, progress)
    seconds = time.monotonic() - started
    sizes = _sizes(docker, family.plan, images, options)
    progress.step("")
    return BuildResult(steps, sizes, seconds)


def _environment(bases: Mapping[str, str], options: BuildOptions) -> dict[str, str]:
    """The environment of bake. Its variables replace those of the same name in the bake file."""
    environment = {**os.environ, **bases}
    if options.registry is not None:
        environment["REGISTRY"] = options.registry
    if options.cache is not None:
        environment["CACHE"] = options.cache
    if options.wheelhouse is not None:
        environment["WHEELHOUSE"] = str(_wheelhouse(options.wheelhouse))
    return environment


def _wheelhouse(folder: Path) -> Path:
    if not (folder / INDEX).is_file():
        raise BadInput(f"{folder} is not a wheelhouse", hint=f"fill it with `lockgen fetch {folder}`")
    return folder.resolve()


def _bake_arguments(docker: Docker, images: list[SelectedImage], options: BuildOptions) -> list[str]:
    arguments = [selected.variant.target for selected in images]
    if options.push:
        arguments.append("--push")
    elif not docker.builds_here:
        # Without --load or --push, such a builder keeps the result only in its cache.
        arguments.append("--load")
    if options.no_cache:
        arguments.append("--no-cache")
    return arguments


def _sizes(
    docker: Docker, plan: FamilyPlan, images: list[SelectedImage], options: BuildOptions
) -> dict[str, int | None]:
    # A builder outside the engine pushes to the registry only: an image of this name in the engine is an older one.
    if options.push and not docker.builds_here:
        return {}
    sizes = {}
    for _, variant in images:
        reference = in_registry(variant.reference, plan, options.registry)
        sizes[variant.target] = docker.size(reference)
    return sizes


def _images_by_target(plan: FamilyPlan) -> dict[str, str]:
    """The image that each bake target belongs to, including helper targets; a base comes before its users."""
    found: dict[str, str] = {}
    for image in plan.images:
        for variant in image.variants:
            targets = [variant.target, *(f"_{variant.target}-{part}" for part in HELPERS)]
            for target in targets:
                found[target] = f"{image.name}:{variant.variant}"
    return found


def _replaced_bases(plan: FamilyPlan, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=OTHER as bake variables."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, other = text.partition("=")
        if not equals or not other:
            raise BadInput(f"{text!r} is not NAME=OTHER", hint="as in --base cuda=mirror.example/nvidia/cuda:12.1.0")
        # Several variants may share one base image.
        variants = [variant for variant, reference in plan.base_images if name in {variant, reference}]
        if not variants:
            known = [part for pair in plan.base_images for part in pair]
            raise BadInput(f"no variant or base image is named {name!r}", hint=close_match(name, known))
        for variant in variants:
            found[variable(variant)] = other
    return found


def _report(images: list[SelectedImage], owners: Mapping[str, str], result: BuildResult, options: BuildOptions) -> None:
    rows = _rows(images, owners, result)
    if options.as_json:
        _print_json(rows, result.seconds)
    elif not rows:
        print_text("nothing to build")
    elif options.dry_run:
        for row in rows:
            print_text(row.image)
    else:
        head = ["image", "steps", "cached", "installed", "seconds", "size"]
        print_text(table(head, [_cells(row) for row in rows]))
        print_text(f"{counted(len(rows), 'image')} in {result.seconds:.1f} s")


def _rows(images: list[SelectedImage], owners: Mapping[str, str], result: BuildResult) -> list[_Row]:
    # Images share steps; each step counts once, for the lowest image that has it.
    by_image: dict[str, list[BuildStep]] = {}
    for step in result.steps:
        by_image.setdefault(owner(step, owners), []).append(step)
    rows = []
    for selected in images:
        steps = by_image.get(selected.tag, [])
        work = [step for step in steps if step.works]
        seconds = sum(step.seconds for step in steps if not step.cached)
        target = selected.variant.target
        size = result.sizes.get(target)
        rows.append(_Row(selected.tag, work, round(seconds, 1), size))
    return rows


def _print_json(rows: list[_Row], seconds: float) -> None:
    images = [
        {
            "image": row.image,
            "steps": len(row.work),
            "cached": row.cached,
            "installed": row.installed,
            "ran": [_first_line(step) for step in row.work if not step.cached],
            "seconds": row.seconds,
            "bytes": row.size,
        }
        for row in rows
    ]
    print_json({"format": 1, "seconds": round(seconds, 1), "images": images})


def _first_line(step: BuildStep) -> str:
    return step.text.partition("] ")[2].splitlines()[0]


def _cells(row: _Row) -> list[str]:
    size = "-" if row.size is None else f"{row.size / 1e6:.1f} MB"
    counts = (len(row.work), row.cached, row.installed, row.seconds)
    numbers = [str(count) for count in counts]
    return [row.image, *numbers, size]
