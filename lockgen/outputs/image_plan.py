"""The lock and versions.toml as images to build: what each Dockerfile and each bake target holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from lockgen.core.layout import CACHES, MODELS, MODULES, target_name
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Image, Manifest
from lockgen.lock.layers import Layers
from lockgen.outputs.model import BuildLayer, FamilyPlan, ImagePlan, ImageVariant, InstallLayer, Tools

Key = tuple[str, str]


def plan_family(
    manifest: Manifest,
    lock: Lock,
    layers: Mapping[Key, Layers],
    files: Mapping[Key, tuple[str, ...]],
    tools: Tools,
    builds: Mapping[str, tuple[BuildLayer, ...]],
) -> FamilyPlan:
    """``files`` are the requirement files of each (image, variant), one a layer; ``builds`` what each image builds.

    ``tools`` is the first set of tools, the one that installs.
    """
    order: list[str] = []
    for name in sorted(manifest.images):
        order += [link.name for link in manifest.chain(name) if link.name not in order]
    images = [
        _image(manifest, lock, manifest.images[name], layers, files, tools, builds)
        for name in order
        if all((name, variant) in layers for variant in manifest.images[name].variants)
    ]
    bases = {
        name: variant.from_image for name, variant in sorted(manifest.variants.items()) if manifest.images_of(name)
    }
    return FamilyPlan(manifest.family, manifest.registry, manifest.target.platform, tuple(images), tuple(bases.items()))


def _image(
    manifest: Manifest,
    lock: Lock,
    image: Image,
    layers: Mapping[Key, Layers],
    files: Mapping[Key, tuple[str, ...]],
    tools: Tools,
    builds: Mapping[str, tuple[BuildLayer, ...]],
) -> ImagePlan:
    chain = manifest.chain(image.name)
    held = {variant: files[image.name, variant] for variant in image.variants}
    slots = max(map(len, held.values()))
    return ImagePlan(
        name=image.name,
        kind=image.kind,
        python=manifest.target.python,
        variants=tuple(_variant(manifest, lock, image, variant, layers) for variant in image.variants),
        layers=tuple(
            InstallLayer(tuple((variant, paths[slot]) for variant, paths in held.items())) for slot in range(slots)
        ),
        tools=tools,
        routed=any(package.index is not None for package in (*lock.packages, *lock.all_tools)),
        built=builds.get(image.name, ()),
        needs=tuple(sorted({ask.name for link in chain for ask in link.packages} | {a.name for a in manifest.common})),
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


def _env(chain: tuple[Image, ...]) -> dict[str, str]:
    """What the last of ``chain`` sets itself. Models of its own and of the images below stay on the path."""
    env = dict(chain[-1].env)
    if chain[-1].preload:
        env |= {name: f"{MODELS}/{folder}" for name, folder in CACHES.items()}
    if any(link.preload for link in chain) and (chain[-1].preload or "PYTHONPATH" in env):
        path = {key: value for link in chain for key, value in link.env.items()}.get("PYTHONPATH")
        env["PYTHONPATH"] = f"{MODELS}/{MODULES}" + (f":{path}" if path else "")
    return env


def _variant(manifest: Manifest, lock: Lock, image: Image, variant: str, layers: Mapping[Key, Layers]) -> ImageVariant:
    layer = layers[image.name, variant]
    table = lock.by_variant[variant]
    own = layer.delta if image.base is not None else (*layer.common, *layer.delta)
    held = [f"{table[name].pin} {sorted(f.sha256 for f in table[name].files)}" for name in layer.closure]
    base_image = manifest.variants[variant].from_image
    if image.base is not None:
        base_image = reference(manifest.registry, manifest.family, image.base, variant)
    return ImageVariant(
        variant=variant,
        target=target_name(image.name, variant),
        reference=reference(manifest.registry, manifest.family, image.name, variant),
        base_image=base_image,
        base=target_name(image.base, variant) if image.base is not None else None,
        root=target_name(manifest.chain(image.name)[0].name, variant),
        lock=f"locks/{variant}/{image.name}.txt",
        fingerprint="sha256:" + hashlib.sha256("\n".join(held).encode()).hexdigest(),
        pages=pages_of(lock, [table[name] for name in own]),
        ppa=manifest.variants[variant].ppa,
    )


def pages_of(lock: Lock, packages: Iterable[Package]) -> tuple[str, ...]:
    """The pages of the listed packages among ``packages``, by index and name."""
    listed = sorted((package.index, package.name) for package in packages if package.index is not None)
    return tuple(f"{lock.indexes[index].rstrip('/')}/{name}/" for index, name in listed)


def reference(registry: str | None, family: str, image: str, variant: str) -> str:
    """{registry}/{family}-{image}:{variant}, or without a registry."""
    return f"{registry + '/' if registry else ''}{family}-{image}:{variant}"
