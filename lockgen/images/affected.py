"""Which images a change touches: their own inputs, and what stands on them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lockgen.outputs.model import FamilyPlan, ImagePlan

_BLOCK = re.compile(r'^(variable|target|function) "([^"]+)" \{$.*?^\}$', re.MULTILINE | re.DOTALL)


def inputs_of(image: ImagePlan, below: Iterable[ImagePlan] = ()) -> list[str]:
    """The paths that an image is made of, and those of the images ``below`` it: files, and folders without a slash."""
    found: set[str] = set()
    for one in (*below, image):
        found |= {one.folder, *one.copy, *(variant.lock for variant in one.variants)}
        found |= {path for layer in one.layers for _, path in layer.paths}
    return sorted(found)


def affected(plan: FamilyPlan, changed: Iterable[str], bake_before: str, bake_now: str) -> list[str]:
    """The bake targets whose closure, Dockerfile, copied files or base image changed, and what stands on them.

    ``changed`` are paths; of the bake file the blocks are compared, so that one image's change is only that image's.
    """
    paths = list(changed)
    before, now = _blocks(bake_before), _blocks(bake_now)
    blocks = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    found: list[str] = []
    for image in plan.images:
        for variant in image.variants:
            own = {variant.lock, *(layer.path(variant.variant) for layer in image.layers)}
            own |= {path for built in image.built for path in (built.tools.path, built.sources.path(variant.variant))}
            folder = {
                f"{image.folder}/Dockerfile",
                f"{image.folder}/self_check.py",
                f"{image.folder}/{image.entrypoint}",
            }
            touched = any(path in own | folder or path.startswith(tuple(f"{c}/" for c in image.copy)) for path in paths)
            base = f"BASE_{re.sub(r'[^A-Z0-9]', '_', variant.variant.upper())}"
            changed_base = variant.base is None and ("variable", base) in blocks
            names = {("target", variant.target), ("target", f"_{variant.target}-system")}
            if touched or changed_base or names & blocks or variant.base in found:
                found.append(variant.target)
    return found


def _blocks(text: str) -> dict[tuple[str, str], str]:
    return {(found[1], found[2]): found[0] for found in _BLOCK.finditer(text)}
