"""What a registry says of a base image: what its tag is now, and which tag of its kind is newer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lockgen.adapters.http import Http
from lockgen.adapters.registry import Registry
from lockgen.model.manifest import Manifest
from lockgen.model.references import Reference
from lockgen.planning.baseimages import Offer
from lockgen.planning.solve import order_of_variants
from lockgen.planning.tags import is_cuda, may_be_newer, newer_tag, newer_tags
from lockgen.planning.units import accelerator_of


@dataclass(frozen=True)
class Found:
    """``digest`` is that of the reference's own tag; ``tag`` a newer one, None where there is none."""

    digest: str
    tag: str | None


def ask(http: Http, reference: Reference, manifest: Manifest, variants: Iterable[str]) -> Found:
    """What the registry of ``reference``, the base image of ``variants``, has.

    Raises:
        BadInput: there is no such image.
        ToolFailed: the registry failed, or refuses access.
    """
    registry = Registry(http, f"{reference.name}:{reference.tag}")
    cuda = _is_cuda(manifest, variants)
    tag = newer_tag(reference, registry.tags(), python=manifest.target.python, cuda=cuda)
    return Found(registry.digest(), tag)


def offer(http: Http, reference: Reference, manifest: Manifest, variants: tuple[str, ...]) -> Offer:
    """What the base image of ``variants`` could become; a registry that cannot say more is not asked.

    Raises as `ask` does.
    """
    registry = Registry(http, f"{reference.name}:{reference.tag}")
    newer: list[str] = []
    if may_be_newer(reference, python=manifest.target.python):
        cuda = _is_cuda(manifest, variants)
        newer = newer_tags(reference, registry.tags(), python=manifest.target.python, cuda=cuda)
    return Offer(reference, variants, tuple(newer), registry.digest() if reference.digest is not None else None)


def by_reference(manifest: Manifest) -> Mapping[str, tuple[str, ...]]:
    """Each base image that is named, as it is written, and the variants with images that stand on it, sorted."""
    found: dict[str, list[str]] = {}
    for name in sorted(order_of_variants(manifest)):
        found.setdefault(manifest.variants[name].from_image, []).append(name)
    return {text: tuple(names) for text, names in found.items()}


def _is_cuda(manifest: Manifest, variants: Iterable[str]) -> bool:
    return any(is_cuda(accelerator_of(manifest, name)) for name in variants)


def digest_of(http: Http, reference: Reference) -> str:
    """The digest that ``reference`` has now: its own, where it has one that is still there. Raises as `ask` does."""
    return Registry(http, str(reference)).digest()
