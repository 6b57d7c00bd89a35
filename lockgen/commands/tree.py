"""Every file that a lock comes to, as data: what `resolve` writes and what `check` compares."""

from __future__ import annotations

from lockgen.model.lock import Lock, LockedImage
from lockgen.planning.layers import Layers, layers_of
from lockgen.rendering.lock import LOCK_PATH, render_lock
from lockgen.rendering.requirements import Renderer

Tree = dict[str, bytes]

COMMON = "docker/requirements-common"

GENERATED = ("docker/requirements-common*.txt", "docker/*/requirements-*.txt", "locks/*/*.txt", LOCK_PATH)
"""Where generated files lie; anything there that the lock does not come to is extra."""

KEPT_OUT = ("locks/index/",)


def tree_of(lock: Lock) -> Tree:
    """Path to bytes of every generated file, the lock itself included."""
    layers = layers_of(lock)
    renderer = Renderer(lock)
    tree: dict[str, str] = {LOCK_PATH: render_lock(lock)}
    tree |= _common(lock, layers, renderer)
    for name in sorted({image.name for image in lock.images}):
        variants = {layer.image.variant: layer for layer in layers.values() if layer.image.name == name}
        about = _about(next(iter(variants.values())).image)
        texts = {variant: renderer.file(variant, layer.delta, about) for variant, layer in variants.items()}
        tree |= _one_or_each(f"docker/{name}/requirements-{name}", texts)
        for variant, layer in variants.items():
            whole = f"All of {name}:{variant}, layer by layer in docker/; this file installs it by itself."
            tree[f"locks/{variant}/{name}.txt"] = renderer.file(variant, layer.closure, whole)
    return {path: text.encode() for path, text in tree.items()}


def _about(image: LockedImage) -> str:
    if image.base is None:
        return f"What {image.name} holds beside the common packages."
    return f"What {image.name} adds to {image.base}."


def _one_or_each(stem: str, texts: dict[str, str]) -> dict[str, str]:
    if len(set(texts.values())) == 1:
        return {f"{stem}.txt": next(iter(texts.values()))}
    return {f"{stem}.{variant}.txt": text for variant, text in texts.items()}


def _common(lock: Lock, layers: dict[tuple[str, str], Layers], renderer: Renderer) -> dict[str, str]:
    """The common layer: the same bytes for every variant, but for one that differs, which gets its own file."""
    roots = {layer.image.variant: layer for layer in layers.values() if layer.image.base is None}
    if not any(layer.image.common for layer in roots.values()):
        return {}
    about = "What every base image installs first."
    texts = {variant: renderer.file(variant, layer.common, about) for variant, layer in sorted(roots.items())}
    shared = _shared(lock, {variant: layer.common for variant, layer in roots.items()}, texts)
    own = {f"{COMMON}.{variant}.txt": text for variant, text in texts.items() if text != shared}
    return {f"{COMMON}.txt": shared, **own}


def _shared(lock: Lock, commons: dict[str, tuple[str, ...]], texts: dict[str, str]) -> str:
    """The text that keeps the plain name: of variants that pin nothing in it, then of most variants, most images."""

    def weight(text: str) -> tuple[bool, int, int]:
        holders = [variant for variant, other in texts.items() if other == text]
        free = any(not set(lock.own_pins.get(variant, ())) & set(commons[variant]) for variant in holders)
        return free, len(holders), sum(image.variant in holders for image in lock.images)

    best = max(weight(text) for text in texts.values())
    return next(text for _, text in sorted(texts.items()) if weight(text) == best)
