"""Every file that a lock comes to, as data: what `resolve` writes and what `check` compares."""

from __future__ import annotations

from lockgen.model.images import BuildLayer, FamilyPlan, InstallLayer, Tools
from lockgen.model.lock import Lock, LockedImage
from lockgen.model.manifest import Manifest
from lockgen.planning.images import pages_of, plan_family
from lockgen.planning.layers import Layers, layers_of
from lockgen.rendering.images import BAKE, IGNORE, SCRIPT, VERSIONS, render_images, starters
from lockgen.rendering.lock import LOCK_PATH, render_lock
from lockgen.rendering.requirements import Renderer

Tree = dict[str, bytes]

COMMON = "docker/requirements-common"
BUILD = "docker/requirements-build"

GENERATED = (
    "docker/requirements-common*.txt",
    "docker/*/requirements-*.txt",
    "docker/*/build-*.txt",
    "docker/*/Dockerfile",
    "docker/*/self_check.py",
    "locks/*/*.txt",
    f"{BUILD}.txt",
    f"{BUILD}-*.txt",
    BAKE,
    SCRIPT,
    VERSIONS,
    IGNORE,
    LOCK_PATH,
)
"""Where generated files lie; anything there that the lock does not come to is extra."""

KEPT_OUT = ("locks/index/",)


class Written:
    """What a lock comes to: requirement files first, then what builds images from them."""

    def __init__(self, manifest: Manifest, lock: Lock) -> None:
        self._lock = lock
        self._layers = layers_of(lock)
        self._renderer = Renderer(lock)
        self._texts: dict[str, str] = {LOCK_PATH: render_lock(lock)}
        self._files: dict[tuple[str, str], tuple[str, ...]] = {}
        self._builds: dict[str, tuple[BuildLayer, ...]] = {}
        self._requirements()
        self.plan: FamilyPlan = plan_family(manifest, lock, self._layers, self._files, self._tools(1), self._builds)

    def tree(self) -> Tree:
        """Path to bytes of every generated file, the lock itself included."""
        texts = self._texts | render_images(self.plan, self._lock)
        return {path: text.encode() for path, text in texts.items()}

    def starters(self) -> Tree:
        """Path to bytes of the stages' programs, for where there is none."""
        return {path: text.encode() for path, text in starters(self.plan).items()}

    def _requirements(self) -> None:
        commons = self._write(_common(self._lock, self._layers, self._renderer))
        for name in sorted({image.name for image in self._lock.images}):
            self._image(name, commons)
        if self._lock.tools:
            self._texts[_tools_path(1)] = self._renderer.tools()
        for number, tools in enumerate(self._lock.more_tools, 2):
            self._texts[_tools_path(number)] = self._renderer.more_tools(tools)

    def _image(self, name: str, commons: dict[str, str]) -> None:
        variants = {layer.image.variant: layer for layer in self._layers.values() if layer.image.name == name}
        about = _about(next(iter(variants.values())).image)
        deltas = {variant: self._renderer.file(variant, layer.delta, about) for variant, layer in variants.items()}
        paths = self._write(_one_or_each(f"docker/{name}/requirements-{name}", deltas))
        any_delta = any(layer.delta for layer in variants.values())
        owns: dict[str, list[str]] = {}
        for variant, layer in variants.items():
            root = layer.image.base is None and bool(layer.common)
            owns[variant] = sorted((*(layer.common if root else ()), *layer.delta))
            self._files[name, variant] = (
                *([commons[variant]] if root else []),
                *([paths[variant]] if any_delta else []),
            )
            whole = f"All of {name}:{variant}, layer by layer in docker/; this file installs it by itself."
            self._texts[f"locks/{variant}/{name}.txt"] = self._renderer.file(variant, layer.closure, whole)
        self._builds[name] = tuple(self._build(name, owns, number) for number in self._numbers(owns))

    def _numbers(self, owns: dict[str, list[str]]) -> list[int]:
        """The tools that any variant builds something with."""
        packages = (self._lock.by_variant[variant][name] for variant, names in owns.items() for name in names)
        return sorted({self._lock.tools_for(package) for package in packages if package.built})

    def _build(self, name: str, owns: dict[str, list[str]], number: int) -> BuildLayer:
        """Every variant has a file, though there be nothing in it: one Dockerfile serves them all."""
        texts = {variant: self._renderer.sources(variant, own, name, number) for variant, own in owns.items()}
        paths = self._write(_one_or_each(f"docker/{name}/build-{name}{_suffix(number)}", texts))
        return BuildLayer(self._tools(number), InstallLayer(tuple(paths.items())))

    def _tools(self, number: int) -> Tools:
        packages = self._lock.tools if number == 1 else self._lock.more_tools[number - 2].packages
        return Tools(number, _tools_path(number), pages_of(self._lock, packages))

    def _write(self, paths: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Takes (path, text) by variant; answers path by variant."""
        self._texts |= dict(paths.values())
        return {variant: path for variant, (path, _) in paths.items()}


def tree_of(manifest: Manifest, lock: Lock) -> Tree:
    """Path to bytes of every generated file, the lock itself included."""
    return Written(manifest, lock).tree()


def _suffix(number: int) -> str:
    return "" if number == 1 else f"-{number}"


def _tools_path(number: int) -> str:
    return f"{BUILD}{_suffix(number)}.txt"


def _about(image: LockedImage) -> str:
    if image.base is None:
        return f"What {image.name} holds beside the common packages."
    return f"What {image.name} adds to {image.base}."


def _one_or_each(stem: str, texts: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Path and text by variant: one file where all variants' texts agree."""
    if len(set(texts.values())) == 1:
        return {variant: (f"{stem}.txt", text) for variant, text in texts.items()}
    return {variant: (f"{stem}.{variant}.txt", text) for variant, text in texts.items()}


def _common(lock: Lock, layers: dict[tuple[str, str], Layers], renderer: Renderer) -> dict[str, tuple[str, str]]:
    """The common layer: the same bytes for every variant, but for one that differs, which gets its own file."""
    roots = {layer.image.variant: layer for layer in layers.values() if layer.image.base is None}
    if not any(layer.image.common for layer in roots.values()):
        return {}
    about = "What every base image installs first."
    texts = {variant: renderer.file(variant, layer.common, about) for variant, layer in sorted(roots.items())}
    shared = _shared(lock, {variant: layer.common for variant, layer in roots.items()}, texts)
    return {
        variant: (f"{COMMON}.txt" if text == shared else f"{COMMON}.{variant}.txt", text)
        for variant, text in texts.items()
    }


def _shared(lock: Lock, commons: dict[str, tuple[str, ...]], texts: dict[str, str]) -> str:
    """The text that keeps the plain name: of variants that pin nothing in it, then of most variants, most images."""

    def weight(text: str) -> tuple[bool, int, int]:
        holders = [variant for variant, other in texts.items() if other == text]
        free = any(not set(lock.own_pins.get(variant, ())) & set(commons[variant]) for variant in holders)
        return free, len(holders), sum(image.variant in holders for image in lock.images)

    best = max(weight(text) for text in texts.values())
    return next(text for _, text in sorted(texts.items()) if weight(text) == best)
