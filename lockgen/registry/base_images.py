"""What a registry says of a base image: what its tag is now, and which tag of its kind is newer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lockgen.core.image_reference import ImageReference
from lockgen.core.manifest import Manifest, accelerator_of
from lockgen.errors import BadInput, LockgenError
from lockgen.io.http import Http
from lockgen.lock.requests import order_of_variants
from lockgen.registry.client import Registry
from lockgen.registry.model import Offer
from lockgen.registry.tags import is_cuda, may_be_newer, newer_tags


@dataclass(frozen=True)
class RegistryAnswer:
    """``digest`` is that of the reference's own tag; ``tag`` a newer one, None where there is none.

    ``missing`` are lines about what is unknown: then the digest, or the tag (``listed``), is None for that.
    """

    digest: str | None
    tag: str | None
    missing: tuple[str, ...] = ()
    listed: bool = True


def ask(http: Http, reference: ImageReference, manifest: Manifest, variants: Iterable[str]) -> RegistryAnswer:
    """What the registry of ``reference``, the base image of ``variants``, has; digest and tags each by themselves.

    Raises:
        BadInput: the image does not exist.
        ToolFailed: the registry failed, or refuses access.
    """
    missing: list[str] = []
    failures: list[LockgenError] = []
    tag = digest = None
    listed = True
    try:
        newer = _newer(http, reference, manifest, variants)
        tag = newer[-1] if newer else None
    except LockgenError as error:
        listed = False
        failures.append(error)
        missing.append(f"which tags there are: {_line(error)}")
    try:
        digest = digest_of(http, replace(reference, digest=None))
    except LockgenError as error:
        failures.append(error)
        gone = isinstance(error, BadInput)
        missing.append(f"the registry has no tag {reference.tag} any more" if gone else f"its digest: {_line(error)}")
    if len(failures) == 2:
        raise failures[0]
    return RegistryAnswer(digest, tag, tuple(missing), listed)


def offer(http: Http, reference: ImageReference, manifest: Manifest, variants: tuple[str, ...]) -> Offer:
    """What the base image of ``variants`` could become; a registry that cannot say more is not asked.

    Raises as `ask` does.
    """
    if not reference.tagged:
        return Offer(reference, variants)  # only a digest is pinned, on purpose: no tag to follow
    newer: list[str] = []
    if may_be_newer(reference, python=manifest.target.python):
        newer = _newer(http, reference, manifest, variants)
    digest = None
    if reference.digest is not None:
        try:
            digest = digest_of(http, replace(reference, digest=None))
        except BadInput:
            if not newer:
                raise
    return Offer(reference, variants, tuple(newer), digest)


def _newer(http: Http, reference: ImageReference, manifest: Manifest, variants: Iterable[str]) -> list[str]:
    tags = Registry(http, f"{reference.name}:{reference.tag}").tags()
    cuda = any(is_cuda(accelerator_of(manifest, name)) for name in variants)
    return newer_tags(reference, tags, python=manifest.target.python, cuda=cuda)


def _line(error: LockgenError) -> str:
    fault = error.faults[0]
    return f"{fault.message} ({fault.reason})" if fault.reason else fault.message


def by_reference(manifest: Manifest) -> Mapping[str, tuple[str, ...]]:
    """Each base image that is named, as it is written, and the variants with images that stand on it, sorted."""
    found: dict[str, list[str]] = {}
    for name in sorted(order_of_variants(manifest)):
        found.setdefault(manifest.variants[name].from_image, []).append(name)
    return {text: tuple(names) for text, names in found.items()}


def digest_of(http: Http, reference: ImageReference) -> str:
    """The digest that ``reference`` has now: its own, where it has one that is still there. Raises as `ask` does."""
    return Registry(http, str(reference)).digest()
