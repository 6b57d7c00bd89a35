"""`lockgen verify`: verify built images against the lock, layer by layer."""

from __future__ import annotations

from lockgen.app import App
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit
from lockgen.images.docker import Docker
from lockgen.images.layer_source import read_images
from lockgen.images.project_images import in_registry, read_family, select_images
from lockgen.images.verification import ImageVerdict, ImageVerifier
from lockgen.io.output import print_json, print_text


def run(app: App, names: tuple[str, ...], registry: str | None, *, as_json: bool) -> int:
    """Print a line for each image; return Exit.FOUND where one does not match the lock.

    Raises:
        LockgenError: an image is missing or cannot be read.
    """
    progress = app.progress
    family = read_family(app.root)
    selection = select_images(family.plan, names)
    docker = Docker(app.root.resolve())
    references = [in_registry(selected.variant.reference, family.plan, registry) for selected in selection]
    missing = [reference for reference in references if docker.config(reference) is None]
    if missing:
        raise BadInput(f"the engine has no image {', '.join(missing)}", hint="lockgen build")
    progress.step(f"reading {counted(len(selection), 'image')}")
    images = read_images(app.root, references)
    verifier = ImageVerifier(docker, family)
    verdicts = []
    for selected, reference in zip(selection, references, strict=True):
        progress.step(f"verifying {selected.tag}")
        # Some engines save an image under its full name.
        built = images.get(reference) or images[f"docker.io/{reference}"]
        verdicts.append(verifier.verify(selected, built, reference))
    progress.step("")
    if as_json:
        _print_json(verdicts)
    else:
        _print_text(verdicts)
    return Exit.FOUND if any(verdict.faults for verdict in verdicts) else Exit.DONE


def _print_json(verdicts: list[ImageVerdict]) -> None:
    images = [
        {"image": verdict.image, "packages": verdict.packages, "faults": list(verdict.faults)} for verdict in verdicts
    ]
    print_json({"format": 1, "images": images})


def _print_text(verdicts: list[ImageVerdict]) -> None:
    for verdict in verdicts:
        if not verdict.faults:
            print_text(f"{verdict.image}: {counted(verdict.packages, 'package')} as locked, in disjoint layers")
            continue
        first, *others = verdict.faults
        more = f" (and {len(others)} more)" if others else ""
        # A fault may quote the output of a program; the summary is one line.
        print_text(f"{verdict.image}: {first.splitlines()[0]}{more}")
        for fault in others:
            print_text(f"    {fault}")
