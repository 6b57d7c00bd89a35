"""Every file that a lock comes to, as data: what `resolve` writes and what `check` compares."""

from __future__ import annotations

from lockgen.core.layout import BAKE, BUILD, COMMON, IGNORE, LOCK_PATH, SCRIPT, VERSIONS
from lockgen.core.lock import Lock, LockedImage
from lockgen.core.manifest import Manifest
from lockgen.lock.layers import Layers, layers_of
from lockgen.lock.writer import render_lock
from lockgen.outputs.image_files import render_images, starters
from lockgen.outputs.image_plan import pages_of, plan_family
from lockgen.outputs.model import BuildLayer, FamilyPlan, InstallLayer, Tools
from lockgen.outputs.requirements import Renderer

Tree = dict[str, bytes]


class Requirements:
    """The files that follow from the lock alone: the lock itself and the requirement files.

    ``texts`` maps their paths to their texts; ``files`` and ``builds`` say which of them an image installs and builds
    from.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._renderer = Renderer(lock)
        self.layers = layers_of(lock)
        self.texts: dict[str, str] = {LOCK_PATH: render_lock(lock)}
        self.files: dict[tuple[str, str], tuple[str, ...]] = {}
        self.builds: dict[str, tuple[BuildLayer, ...]] = {}
        self._requirements()

    def _requirements(self) -> None:
        commons = self._write(_common(self._lock, self.layers, self._renderer))
        for name in sorted({image.name for image in self._lock.images}):
            self._image(name, commons)
        if self._lock.tools:
            self.texts[_tools_path(1)] = self._renderer.tools()
        for number, tools in enumerate(self._lock.more_tools, 2):
            self.texts[_tools_path(number)] = self._renderer.more_tools(tools)

    def _image(self, name: str, commons: dict[str, str]) -> None:
        variants = {layer.image.variant: layer for layer in self.layers.values() if layer.image.name == name}
        about = _about(next(iter(variants.values())).image)
        deltas = {variant: self._renderer.file(variant, layer.delta, about) for variant, layer in variants.items()}
        paths = self._write(_one_or_each(f"docker/{name}/requirements-{name}", deltas))
        any_delta = any(layer.delta for layer in variants.values())
        owns: dict[str, list[str]] = {}
        for variant, layer in variants.items():
            root = layer.image.base is None and bool(layer.common)
            owns[variant] = sorted((*(layer.common if root else ()), *layer.delta))
            self.files[name, variant] = (
                *([commons[variant]] if root else []),
                *([paths[variant]] if any_delta else []),
            )
            whole = f"All of {name}:{variant}, layer by layer in docker/; this file installs it by itself."
            self.texts[f"locks/{variant}/{name}.txt"] = self._renderer.file(variant, layer.closure, whole)
        self.builds[name] = tuple(self._build(name, owns, number) for number in self._numbers(owns))

    def _numbers(self, owns: dict[str, list[str]]) -> list[int]:
        """The tools that any variant builds something with."""
        packages = (self._lock.by_variant[variant][name] for variant, names in owns.items() for name in names)
        return sorted({self._lock.tools_for(package) for package in packages if package.built})

    def _build(self, name: str, owns: dict[str, list[str]], number: int) -> BuildLayer:
        """Every variant has a file, though there be nothing in it: one Dockerfile serves them all."""
        texts = {variant: self._renderer.sources(variant, own, name, number) for variant, own in owns.items()}
        paths = self._write(_one_or_each(f"docker/{name}/build-{name}{_suffix(number)}", texts))
        return BuildLayer(self._tools(number), InstallLayer(tuple(paths.items())))

    @property
    def first_tools(self) -> Tools:
        """The set of tools that installs."""
        return self._tools(1)

    def _tools(self, number: int) -> Tools:
        packages = self._lock.tools if number == 1 else self._lock.more_tools[number - 2].packages
        return Tools(number, _tools_path(number), pages_of(self._lock, packages))

    def _write(self, paths: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Takes (path, text) by variant; answers path by variant."""
        self.texts |= dict(paths.values())
        return {variant: path for variant, (path, _) in paths.items()}


class GeneratedFiles:
    """What a lock comes to: requirement files first, then what builds images from them."""

    def __init__(self, manifest: Manifest, lock: Lock) -> None:
        self._lock = lock
        made = Requirements(lock)
        self._texts = made.texts
        self.plan: FamilyPlan = plan_family(manifest, lock, made.layers, made.files, made.first_tools, made.builds)

    def tree(self) -> Tree:
        """Path to bytes of every generated file, the lock itself included."""
        texts = self._texts | render_images(self.plan, self._lock)
        return {path: text.encode() for path, text in texts.items()}

    def starters(self) -> Tree:
        """Path to bytes of the stages' programs, for where there is none."""
        return {path: text.encode() for path, text in starters(self.plan).items()}


def recorded_paths(lock: Lock) -> frozenset[str]:
    """The paths that ``lock`` records as lockgen's, whatever versions.toml says by now.

    The lock does not say which images have a program, and so a self_check.py: only an image that no other stands on
    can be a stage.
    """
    names = {image.name for image in lock.images}
    stages = names - {image.base for image in lock.images}
    return frozenset(
        [
            *Requirements(lock).texts,
            *(BAKE, SCRIPT, VERSIONS, IGNORE),
            *(f"docker/{name}/Dockerfile" for name in names),
            *(f"docker/{name}/self_check.py" for name in stages),
        ]
    )


def tree_of(manifest: Manifest, lock: Lock) -> Tree:
    """Path to bytes of every generated file, the lock itself included."""
    return GeneratedFiles(manifest, lock).tree()


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
