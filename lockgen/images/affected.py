"""Find the images that a change affects: those whose inputs changed, and those built on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lockgen.core.layout import variable
from lockgen.outputs.model import FamilyPlan, ImagePlan, ImageVariant

_BLOCK = re.compile(r'^(variable|target|function) "([^"]+)" \{$.*?^\}$', re.MULTILINE | re.DOTALL)


class BlockKey(NamedTuple):
    """The kind and the name of a block in the bake file."""

    kind: str
    name: str


def inputs_of(image: ImagePlan, below: Iterable[ImagePlan] = ()) -> list[str]:
    """The files and folders (without a slash) that an image and the images ``below`` it are built from."""
    found: set[str] = set()
    for one in (*below, image):
        found.add(one.folder)
        found.update(one.copy)
        found.update(variant.lock for variant in one.variants)
        for layer in one.layers:
            found.update(path for _, path in layer.paths)
    return sorted(found)


def affected(plan: FamilyPlan, changed: Iterable[str], bake_before: str, bake_now: str) -> list[str]:
    """The bake targets whose closure, Dockerfile, copied files or base image changed, and those built on them.

    ``changed`` are paths. The bake file is compared block by block, so that a change of one image affects only that
    image.
    """
    paths = list(changed)
    blocks = _changed_blocks(bake_before, bake_now)
    found: list[str] = []
    # A base comes before the images built on it, so one pass finds everything.
    for image in plan.images:
        for variant in image.variants:
            inputs_changed = _reads_any(image, variant, paths)
            definition_changed = not blocks.isdisjoint(_blocks_of(variant))
            base_is_affected = variant.base in found
            if inputs_changed or definition_changed or base_is_affected:
                found.append(variant.target)
    return found


def _reads_any(image: ImagePlan, variant: ImageVariant, paths: Iterable[str]) -> bool:
    """Whether building ``image`` in ``variant`` reads any of ``paths``."""
    files = _files_of(image, variant)
    folders = tuple(f"{folder}/" for folder in image.copy)
    return any(path in files or path.startswith(folders) for path in paths)


def _files_of(image: ImagePlan, variant: ImageVariant) -> set[str]:
    files = {
        variant.lock,
        f"{image.folder}/Dockerfile",
        f"{image.folder}/self_check.py",
        f"{image.folder}/{image.entrypoint}",
    }
    files.update(layer.path(variant.variant) for layer in image.layers)
    for built in image.built:
        files.add(built.tools.path)
        files.add(built.sources.path(variant.variant))
    return files


def _blocks_of(variant: ImageVariant) -> set[BlockKey]:
    """The blocks of the bake file that define how ``variant`` of an image is built."""
    blocks = {BlockKey("target", variant.target), BlockKey("target", f"_{variant.target}-system")}
    if variant.base is None:
        # Only a root base is FROM the image in this variable; the others follow through their base.
        blocks.add(BlockKey("variable", variable(variant.variant)))
    return blocks


def _changed_blocks(before: str, now: str) -> set[BlockKey]:
    old = _blocks(before)
    new = _blocks(now)
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _blocks(text: str) -> Mapping[BlockKey, str]:
    return {BlockKey(found[1], found[2]): found[0] for found in _BLOCK.finditer(text)}
