"""`lockgen verify`: verify built images against the lock, layer by layer, and run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lockgen.app import App
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit
from lockgen.images.docker import Docker
from lockgen.images.layer_model import LayeredImage
from lockgen.images.layer_source import read_images
from lockgen.images.project_images import Family, SelectedImage, in_registry, read_family, select_images
from lockgen.images.verification import ImageVerdict, ImageVerifier
from lockgen.io.containers import Engine
from lockgen.io.output import print_json, print_text
from lockgen.proof.built_images import BuiltImages
from lockgen.proof.check_run import CannotRun
from lockgen.proof.model import ImageRun
from lockgen.proof.packages import checks_of
from lockgen.proof.run_document import as_document
from lockgen.proof.run_text import run_lines


@dataclass(frozen=True)
class VerifyOptions:
    """The options of the command. ``gpus`` is passed on to `docker run --gpus`."""

    registry: str | None = None
    run: bool = False
    gpus: str | None = None
    as_json: bool = False


@dataclass(frozen=True)
class _Result:
    """What is known about one image. ``run`` is None if it was not run."""

    verdict: ImageVerdict
    run: ImageRun | None = None


def run(app: App, names: tuple[str, ...], options: VerifyOptions) -> int:
    """Print a line for each image. Return Exit.FOUND where one does not match the lock or does not run, else Exit.TOOL
    where it is unknown whether it runs.

    Raises:
        LockgenError: an image is missing or cannot be read.
    """
    if options.gpus is not None and not options.run:
        raise BadInput("--gpus needs --run", hint="without --run, no checks run in the images")
    family = read_family(app.root)
    selection = select_images(family.plan, names)
    engine = Engine(app.root.resolve())
    references = [in_registry(selected.variant.reference, family.plan, options.registry) for selected in selection]
    missing = [reference for reference in references if engine.image(reference) is None]
    if missing:
        raise BadInput(
            f"the engine has no image {', '.join(missing)}", hint="build it with `lockgen build`, or pull it"
        )
    app.progress.step(f"reading {counted(len(selection), 'image')}")
    images = read_images(app.root, references)
    results = list(_results(app, family, list(zip(selection, references, strict=True)), images, options))
    app.progress.step("")
    if options.as_json:
        print_json({"format": 1, "images": [_document(result, options) for result in results]})
    else:
        for result in results:
            _print(result)
    return _exit_code(results)


def _results(
    app: App,
    family: Family,
    selection: Sequence[tuple[SelectedImage, str]],
    images: dict[str, LayeredImage],
    options: VerifyOptions,
) -> Iterator[_Result]:
    verifier = ImageVerifier(Docker(app.root.resolve()), family)
    built_images = BuiltImages(Engine(app.root.resolve()), options.gpus)
    for selected, reference in selection:
        app.progress.step(f"verifying {selected.tag}")
        # Some engines save an image under its full name.
        built = images.get(reference) or images[f"docker.io/{reference}"]
        verdict = verifier.verify(selected, built, reference)
        if verdict.faults or not options.run:
            yield _Result(verdict)
        else:
            app.progress.step(f"running {selected.tag}")
            yield _Result(verdict, _run(family, selected, reference, built_images))


def _run(family: Family, selected: SelectedImage, reference: str, built_images: BuiltImages) -> ImageRun:
    image = family.lock.by_tag[selected.image.name, selected.variant.variant]
    checks = checks_of(family.manifest, family.lock, image, with_tests=True)
    try:
        return built_images.place(family.manifest, image, reference).run(checks)
    except CannotRun as error:
        return ImageRun("unknown", str(error))


def _exit_code(results: Sequence[_Result]) -> Exit:
    statuses = {result.run.status for result in results if result.run is not None}
    if "no" in statuses or any(result.verdict.faults for result in results):
        return Exit.FOUND
    return Exit.TOOL if "unknown" in statuses else Exit.DONE


def _document(result: _Result, options: VerifyOptions) -> dict[str, Any]:
    verdict = result.verdict
    document = {"image": verdict.image, "packages": verdict.packages, "faults": list(verdict.faults)}
    if options.run:
        document["run"] = as_document(result.run) if result.run is not None else None
    return document


def _print(result: _Result) -> None:
    verdict = result.verdict
    if not verdict.faults:
        print_text(f"{verdict.image}: {counted(verdict.packages, 'package')} as locked, in disjoint layers")
        for line in run_lines(result.run) if result.run is not None else ():
            print_text(f"    {line}")
        return
    first, *others = verdict.faults
    more = f" (and {len(others)} more)" if others else ""
    # A fault may quote the output of a program; the summary is one line.
    print_text(f"{verdict.image}: {first.splitlines()[0]}{more}")
    for fault in others:
        print_text(f"    {fault}")
