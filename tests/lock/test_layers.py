"""Locks cut into layers: the common layer and the delta of each image, by variant."""

from __future__ import annotations

from dataclasses import replace

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package
from lockgen.lock.closure import image_closure
from lockgen.lock.layers import layers_of

BOTH = ("cpu", "cuda")


def package(name: str, requires: str = "", variants: tuple[str, ...] = BOTH, version: str = "1") -> Package:
    needed = tuple(Dependency(required) for required in requires.split())
    return Package(name, version, None, variants, (File(f"{name}-{version}-py3-none-any.whl", "0" * 64),), needed)


def image(name: str, variant: str, base: str | None, requires: str, common: str = "") -> LockedImage:
    def needed(names: str) -> tuple[Dependency, ...]:
        return tuple(map(Dependency, names.split()))

    return LockedImage(name, variant, base, needed(requires), needed(common))


def lock(*packages: Package, images: list[LockedImage]) -> Lock:
    """A lock of ``images``, with those ``packages`` that are for their variants."""
    variants = {image.variant for image in images}
    found = []
    for locked in packages:
        kept = tuple(variant for variant in locked.variants if variant in variants)
        if kept:
            found.append(replace(locked, variants=kept))
    return Lock("fam", {}, {}, {}, {}, tuple(images), tuple(found))


# torch requires another package in each variant.
TORCH = (package("torch", "mkl", ("cpu",)), package("torch", "cublas", ("cuda",), "1+cu121"))
PACKAGES = (
    *TORCH,
    package("mkl", variants=("cpu",)),
    package("cublas", variants=("cuda",)),
    *(package(name) for name in ("idna", "six", "yarl")),
)


def test_the_common_layer_of_each_variant_has_its_own_closure() -> None:
    images = [image("base", variant, None, "idna", common="torch") for variant in BOTH]
    layers = layers_of(lock(*PACKAGES, images=images))
    assert layers["base", "cpu"].common == ("mkl", "torch")
    assert layers["base", "cuda"].common == ("cublas", "torch")
    assert layers["base", "cpu"].delta == layers["base", "cuda"].delta == ("idna",)
    assert layers["base", "cuda"].closure == ("cublas", "idna", "torch")


def test_the_common_layer_of_each_root_base_has_its_own_requirements() -> None:
    images = [image("one", "cpu", None, "six", common="torch"), image("two", "cpu", None, "six", common="idna")]
    layers = layers_of(lock(*PACKAGES, images=images))
    assert layers["one", "cpu"].common == ("mkl", "torch")
    assert layers["two", "cpu"].common == ("idna",)


def test_a_layer_has_no_package_of_the_layers_below() -> None:
    images = [
        image("base", "cuda", None, "idna torch", common="idna"),
        image("ml", "cuda", "base", "torch six"),
        image("api", "cuda", "ml", "yarl idna"),
        image("empty", "cuda", "ml", "six"),
    ]
    layers = layers_of(lock(*PACKAGES, images=images))
    assert list(layers) == [(name, "cuda") for name in ("base", "ml", "api", "empty")]
    assert [layer.common for layer in layers.values()] == [("idna",), (), (), ()]
    assert [layer.delta for layer in layers.values()] == [("cublas", "torch"), ("six",), ("yarl",), ()]
    assert layers["api", "cuda"].closure == ("cublas", "idna", "six", "torch", "yarl")
    assert layers["api", "cuda"].image is images[2]


def test_a_base_is_that_of_the_same_variant() -> None:
    images = [
        image("base", "cpu", None, "six"),
        image("base", "cuda", None, "idna"),
        image("api", "cpu", "base", "idna six"),
        image("api", "cuda", "base", "idna six"),
    ]
    found = lock(*PACKAGES, images=images)
    layers = layers_of(found)
    assert layers["api", "cpu"].delta == ("idna",)
    assert layers["api", "cuda"].delta == ("six",)
    assert image_closure(found, images[2]) == image_closure(found, images[3]) == {"idna", "six"}
