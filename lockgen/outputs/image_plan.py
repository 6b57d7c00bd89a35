"""Plan the images from versions.toml and the lock: the contents of each Dockerfile and each bake target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lockgen.core.layout import CACHES, MODELS, MODULES, target_name
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Image, Manifest
from lockgen.lock.layers import Layers
from lockgen.outputs.model import BuildLayer, FamilyPlan, ImagePlan, ImageVariant, InstallLayer, Tools

_PYTHONPATH = "PYTHONPATH"

ImageKey = tuple[str, str]
"""An image and a variant."""


def plan_family(
    manifest: Manifest,
    lock: Lock,
    layers: Mapping[ImageKey, Layers],
    files: Mapping[ImageKey, tuple[str, ...]],
    tools: Tools,
    builds: Mapping[str, tuple[BuildLayer, ...]],
) -> FamilyPlan:
    """Plan all images, bases first.

    ``files`` are the requirement files of each (image, variant), one a layer; ``builds`` is what each image builds;
    ``tools`` is the first set of tools, the one that installs.
    """
    planner = _Planner(manifest, lock, layers, files, tools, builds)
    locked = [name for name in _order(manifest) if planner.is_locked(name)]
    images = [planner.image(manifest.images[name]) for name in locked]
    # Bake needs no variable for a variant that no image uses.
    used = [name for name in sorted(manifest.variants) if manifest.images_of(name)]
    base_images = [(name, manifest.variants[name].from_image) for name in used]
    return FamilyPlan(
        family=manifest.family,
        registry=manifest.registry,
        platform=manifest.target.platform,
        images=tuple(images),
        base_images=tuple(base_images),
    )


def _order(manifest: Manifest) -> list[str]:
    """The images by name, but each after its bases."""
    order: dict[str, None] = {}
    for name in sorted(manifest.images):
        order.update(dict.fromkeys(link.name for link in manifest.chain(name)))
    return list(order)


@dataclass(frozen=True)
class _Planner:
    """Plans single images; the fields are the parameters of `plan_family`."""

    manifest: Manifest
    lock: Lock
    layers: Mapping[ImageKey, Layers]
    files: Mapping[ImageKey, tuple[str, ...]]
    tools: Tools
    builds: Mapping[str, tuple[BuildLayer, ...]]

    @cached_property
    def _lines(self) -> dict[str, dict[str, str]]:
        """The pin and the hashes of each package, by variant and name."""
        return {
            variant: {name: _pin_and_hashes(package) for name, package in packages.items()}
            for variant, packages in self.lock.by_variant.items()
        }

    def is_locked(self, name: str) -> bool:
        """Whether the lock has the image in all variants: it may be older than versions.toml."""
        return all((name, variant) in self.layers for variant in self.manifest.images[name].variants)

    def image(self, image: Image) -> ImagePlan:
        manifest = self.manifest
        chain = manifest.chain(image.name)
        return ImagePlan(
            name=image.name,
            kind=image.kind,
            python=manifest.target.python,
            variants=tuple(self._variant(image, variant) for variant in image.variants),
            layers=tuple(self._install_layers(image)),
            tools=self.tools,
            routed=self._is_routed,
            built=self.builds.get(image.name, ()),
            needs=tuple(sorted(_required(manifest, chain))),
            apt=image.apt,
            build_apt=image.build_apt,
            copy=image.copy,
            folders=tuple(f"/app/{folder}" for folder in image.folders),
            env=tuple(sorted(_env(chain).items())),
            preload=image.preload,
            entrypoint=image.entrypoint,
            user=manifest.user.name,
            uid=manifest.user.uid,
        )

    def _install_layers(self, image: Image) -> list[InstallLayer]:
        """The layers of an image. All variants have the same number: they share one Dockerfile."""
        paths = {variant: self.files[image.name, variant] for variant in image.variants}
        count = max(len(files) for files in paths.values())
        layers = []
        for number in range(count):
            by_variant = [(variant, files[number]) for variant, files in paths.items()]
            layer = InstallLayer(tuple(by_variant))
            layers.append(layer)
        return layers

    @cached_property
    def _is_routed(self) -> bool:
        packages = [*self.lock.packages, *self.lock.all_tools]
        return any(package.index is not None for package in packages)

    def _variant(self, image: Image, variant: str) -> ImageVariant:
        layer = self.layers[image.name, variant]
        table = self.lock.by_variant[variant]
        if image.base is None:
            own = [*layer.common, *layer.delta]
            base_image = self.manifest.variants[variant].from_image
            base = None
        else:
            own = list(layer.delta)
            base_image = self._reference(image.base, variant)
            base = target_name(image.base, variant)
        root = self.manifest.chain(image.name)[0].name
        return ImageVariant(
            variant=variant,
            target=target_name(image.name, variant),
            reference=self._reference(image.name, variant),
            base_image=base_image,
            base=base,
            root=target_name(root, variant),
            lock=f"locks/{variant}/{image.name}.txt",
            fingerprint=_fingerprint(self._lines[variant], layer.closure),
            pages=pages_of(self.lock, [table[name] for name in own]),
            ppa=self.manifest.variants[variant].ppa,
        )

    def _reference(self, image: str, variant: str) -> str:
        return reference(self.manifest.registry, self.manifest.family, image, variant)


def _pin_and_hashes(package: Package) -> str:
    hashes = sorted(file.sha256 for file in package.files)
    return f"{package.pin} {hashes}"


def _fingerprint(lines: Mapping[str, str], closure: Iterable[str]) -> str:
    """A digest of the pins and hashes (``lines``, by name) of everything that an image installs."""
    text = "\n".join(lines[name] for name in closure)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"sha256:{digest}"


def _required(manifest: Manifest, chain: Sequence[Image]) -> set[str]:
    """The packages that the image and its bases name as requirements."""
    names = {requirement.name for requirement in manifest.common}
    for link in chain:
        names.update(requirement.name for requirement in link.packages)
    return names


def _env(chain: Sequence[Image]) -> dict[str, str]:
    """The environment that the last image of ``chain`` sets. Docker inherits the rest from its bases."""
    image = chain[-1]
    env = dict(image.env)
    if image.preload:
        env.update({name: f"{MODELS}/{folder}" for name, folder in CACHES.items()})
    has_models = any(link.preload for link in chain)
    # Setting PYTHONPATH replaces the inherited one, which has the preloaded modules of the bases.
    if has_models and (image.preload or _PYTHONPATH in env):
        env[_PYTHONPATH] = _python_path(chain)
    return env


def _python_path(chain: Sequence[Image]) -> str:
    """The preloaded modules, then the last PYTHONPATH that an image of ``chain`` sets."""
    path = f"{MODELS}/{MODULES}"
    settings: dict[str, str] = {}
    for link in chain:
        settings.update(link.env)
    own = settings.get(_PYTHONPATH)
    return f"{path}:{own}" if own else path


def pages_of(lock: Lock, packages: Iterable[Package]) -> tuple[str, ...]:
    """The pages of those ``packages`` that an explicit index lists, sorted by index and name."""
    listed = [(package.index, package.name) for package in packages if package.index is not None]
    pages = []
    for index, name in sorted(listed):
        url = lock.indexes[index].rstrip("/")
        pages.append(f"{url}/{name}/")
    return tuple(pages)


def reference(registry: str | None, family: str, image: str, variant: str) -> str:
    """{registry}/{family}-{image}:{variant}; the first part only with a registry."""
    name = f"{family}-{image}:{variant}"
    return f"{registry}/{name}" if registry else name
