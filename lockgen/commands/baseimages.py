"""What a registry says of a base image: what its tag is now, and which tag of its kind is newer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lockgen.adapters.http import Http
from lockgen.adapters.registry import Registry
from lockgen.model.manifest import Manifest
from lockgen.planning.tags import Reference, is_cuda, newer_tag
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
    cuda = any(is_cuda(accelerator_of(manifest, name)) for name in variants)
    tag = newer_tag(reference, registry.tags(), python=manifest.target.python, cuda=cuda)
    return Found(registry.digest(), tag)


def digest_of(http: Http, reference: Reference) -> str:
    """The digest that ``reference`` has now. Raises as `ask` does."""
    return Registry(http, f"{reference.name}:{reference.tag}").digest()
