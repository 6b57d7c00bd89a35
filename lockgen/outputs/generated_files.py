"""Every file that follows from a lock, as data: `resolve` writes them, and `check` compares them with the disk.

`Requirements` renders what needs only the lock, and records which of its files an image installs and builds from.
`plan_family` combines that with versions.toml, and `render_images` renders the rest from the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockgen.core.layout import BAKE, BUILD, COMMON, IGNORE, LOCK_PATH, SCRIPT, VERSIONS
from lockgen.core.lock import Lock, LockedImage
from lockgen.core.manifest import Manifest
from lockgen.core.words import counted
from lockgen.lock.layers import Layers, layers_of
from lockgen.lock.writer import render_lock
from lockgen.outputs.image_files import render_images, starters
from lockgen.outputs.image_plan import ImageKey, pages_of, plan_family
from lockgen.outputs.model import BuildLayer, FamilyPlan, InstallLayer, Tools
from lockgen.outputs.requirements import Renderer

Tree = dict[str, bytes]


class Requirements:
    """The files that follow from the lock alone: the lock itself and the requirement files.

    ``texts`` maps their paths to their texts. ``files`` are the paths that each (image, variant) installs, one a layer;
    ``builds`` is what each image builds from source.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._renderer = Renderer(lock)
        self.layers = layers_of(lock)
        self.texts = {LOCK_PATH: render_lock(lock)}
        self.files: dict[ImageKey, tuple[str, ...]] = {}
        self.builds: dict[str, tuple[BuildLayer, ...]] = {}
        self._add_images()
        self._add_tools()

    def _add_images(self) -> None:
        texts, shared = self._common_texts()
        commons = self._add(COMMON, texts, shared)
        # One pass over the layers: a look at all of them for each image would be quadratic.
        by_name: dict[str, dict[str, Layers]] = {}
        for (name, variant), layers in self.layers.items():
            by_name.setdefault(name, {})[variant] = layers
        for name in sorted(by_name):
            self._add_image(name, by_name[name], commons)

    def _add_tools(self) -> None:
        if self._lock.tools:
            self.texts[_tools_path(1)] = self._renderer.tools()
        # Further sets exist only if packages need conflicting versions of a tool.
        for number, tools in enumerate(self._lock.more_tools, 2):
            self.texts[_tools_path(number)] = self._renderer.more_tools(tools)

    def _add(self, stem: str, texts: Mapping[str, str], plain: str | None) -> dict[str, str]:
        """Add a file for each variant's text, and return the paths by variant.

        The text ``plain`` gets the path without a variant: one file for all variants that have this text.
        """
        paths = {}
        for variant, text in texts.items():
            paths[variant] = f"{stem}.txt" if text == plain else f"{stem}.{variant}.txt"
            self.texts[paths[variant]] = text
        return paths

    def _add_same(self, stem: str, texts: Mapping[str, str]) -> dict[str, str]:
        """As `_add`: one file if all variants have the same text, or else a file for each."""
        distinct = set(texts.values())
        return self._add(stem, texts, distinct.pop() if len(distinct) == 1 else None)

    # -- the common layer --------------------------------------------------------

    def _common_texts(self) -> tuple[dict[str, str], str | None]:
        """The texts of the common layer by variant, and the one that most share.

        Unlike in other layers, a variant that differs leaves the others' file as it is.
        """
        roots: dict[str, Layers] = {}
        for layer in self.layers.values():
            if layer.image.base is None:
                roots[layer.image.variant] = layer
        if not any(layer.image.common for layer in roots.values()):
            return {}, None
        about = "Packages that every base image installs first."
        texts = {}
        for variant, layer in sorted(roots.items()):
            texts[variant] = self._renderer.file(variant, layer.common, about)
        # Of equals, `max` takes the first: the texts are in the order of variants.
        shared = max(texts.values(), key=lambda text: self._precedence(text, texts, roots))
        return texts, shared

    def _precedence(self, text: str, texts: Mapping[str, str], roots: Mapping[str, Layers]) -> tuple[bool, int, int]:
        """Texts of variants that pin nothing in it come first, then those of most variants, then of most images."""
        lock = self._lock
        variants = [variant for variant, other in texts.items() if other == text]
        is_unpinned = False
        for variant in variants:
            pins = set(lock.own_pins.get(variant, ()))
            if pins.isdisjoint(roots[variant].common):
                is_unpinned = True
        images = [image for image in lock.images if image.variant in variants]
        return is_unpinned, len(variants), len(images)

    # -- images ------------------------------------------------------------------

    def _add_image(self, name: str, layers: Mapping[str, Layers], commons: Mapping[str, str]) -> None:
        deltas = self._add_deltas(name, layers)
        own: dict[str, list[str]] = {}
        for variant, layer in layers.items():
            self._add_closure(layer)
            packages = list(layer.delta)
            files = []
            # The common layer belongs to the root bases: other images inherit it.
            if layer.image.base is None and layer.common:
                packages += layer.common
                files.append(commons[variant])
            if deltas:
                files.append(deltas[variant])
            own[variant] = sorted(packages)
            self.files[name, variant] = tuple(files)
        self.builds[name] = tuple(self._build_layers(name, own))

    def _add_closure(self, layer: Layers) -> None:
        """Add the file with all packages of an image, for installations without Docker."""
        name = layer.image.name
        variant = layer.image.variant
        about = f"All packages of {name}:{variant}, in one file. docker/ installs them layer by layer."
        text = self._renderer.file(variant, layer.closure, about)
        self.texts[f"locks/{variant}/{name}.txt"] = text

    def _add_deltas(self, name: str, layers: Mapping[str, Layers]) -> dict[str, str]:
        """Add the files with what an image installs itself; return their paths by variant, none if all are empty."""
        texts = {}
        is_empty = True
        for variant, layer in layers.items():
            about = _about(layer.image)
            texts[variant] = self._renderer.file(variant, layer.delta, about)
            if layer.delta:
                is_empty = False
        paths = self._add_same(f"docker/{name}/requirements-{name}", texts)
        # An empty file is still written, so that its path is stable, but no layer installs it.
        return {} if is_empty else paths

    def _build_layers(self, name: str, own: Mapping[str, list[str]]) -> Iterator[BuildLayer]:
        """A layer for each set of tools that builds one of the image's ``own`` packages in any variant."""
        for number in sorted(self._used_tools(own)):
            texts = {}
            # Each variant gets a file, even an empty one: all variants share one Dockerfile.
            for variant, names in own.items():
                texts[variant] = self._renderer.sources(variant, names, name, number)
            paths = self._add_same(f"docker/{name}/build-{name}{_suffix(number)}", texts)
            sources = InstallLayer(tuple(paths.items()))
            yield BuildLayer(self._tools(number), sources)

    def _used_tools(self, own: Mapping[str, list[str]]) -> set[int]:
        """The numbers of the sets of tools that build any of the packages."""
        numbers = set()
        for variant, names in own.items():
            table = self._lock.by_variant[variant]
            for name in names:
                package = table[name]
                if package.built:
                    numbers.add(self._lock.tools_for(package))
        return numbers

    # -- tools -------------------------------------------------------------------

    @property
    def first_tools(self) -> Tools:
        """The set of tools that installs."""
        return self._tools(1)

    def _tools(self, number: int) -> Tools:
        lock = self._lock
        # Set 1 is separate in the lock, because it also installs.
        packages = lock.tools if number == 1 else lock.more_tools[number - 2].packages
        pages = pages_of(self._lock, packages)
        return Tools(number, _tools_path(number), pages)


class GeneratedFiles:
    """What follows from a lock and versions.toml: the requirement files, and what builds images from them."""

    def __init__(self, manifest: Manifest, lock: Lock) -> None:
        self._lock = lock
        requirements = Requirements(lock)
        self._texts = requirements.texts
        self.plan: FamilyPlan = plan_family(
            manifest, lock, requirements.layers, requirements.files, requirements.first_tools, requirements.builds
        )

    def tree(self) -> Tree:
        """Path to bytes of every generated file, including the lock itself."""
        texts = self._texts | render_images(self.plan, self._lock)
        return {path: text.encode() for path, text in texts.items()}

    def starters(self) -> Tree:
        """Path to bytes of a program for each stage, to be written if there is none."""
        return {path: text.encode() for path, text in starters(self.plan).items()}


def recorded_paths(lock: Lock) -> frozenset[str]:
    """The paths that ``lock`` records as lockgen's, whatever versions.toml says by now."""
    paths = {BAKE, SCRIPT, VERSIONS, IGNORE}
    paths.update(Requirements(lock).texts)
    bases = {image.base for image in lock.images}
    for image in lock.images:
        paths.add(f"docker/{image.name}/Dockerfile")
        # The lock does not record which images have a program, and so a self_check.py. Only an image that no other is
        # built on can be a stage.
        if image.name not in bases:
            paths.add(f"docker/{image.name}/self_check.py")
    return frozenset(paths)


def tree_of(manifest: Manifest, lock: Lock) -> Tree:
    """Path to bytes of every generated file, including the lock itself."""
    return GeneratedFiles(manifest, lock).tree()


def tree_summary(lock: Lock, tree: Tree) -> str:
    """What a family has: "162 packages for 15 images in 66 files"."""
    packages = counted(len(lock.packages), "package")
    images = counted(len(lock.images), "image")
    return f"{packages} for {images} in {counted(len(tree), 'file')}"


def _suffix(number: int) -> str:
    return "" if number == 1 else f"-{number}"


def _tools_path(number: int) -> str:
    return f"{BUILD}{_suffix(number)}.txt"


def _about(image: LockedImage) -> str:
    if image.base is None:
        return f"Packages of {image.name}, in addition to the common packages."
    return f"Packages that {image.name} adds to {image.base}."
