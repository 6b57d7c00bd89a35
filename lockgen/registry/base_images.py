"""Updates of base images in their registries: the current digest of a tag, and newer tags of the same kind."""

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
    """The current ``digest`` of the reference's own tag, and the newest ``tag`` of its kind, None if none is newer.

    ``missing`` are messages about what is unknown. An unknown digest or tag is None. ``listed`` is whether the tags
    are known.
    """

    digest: str | None
    tag: str | None
    missing: tuple[str, ...] = ()
    listed: bool = True


def ask(http: Http, reference: ImageReference, manifest: Manifest, variants: Iterable[str]) -> RegistryAnswer:
    """The state of ``reference``, the base image of ``variants``, in its registry. One half of it may be unknown.

    Raises:
        BadInput: the image does not exist.
        ToolFailed: the registry failed, or refuses access.
    """
    missing: list[str] = []
    newer: list[str] = []
    digest = None
    tags_failure: LockgenError | None = None
    digest_failure: LockgenError | None = None
    # Some registries refuse to list tags, but return digests.
    try:
        newer = _newer(http, reference, manifest, variants)
    except LockgenError as error:
        tags_failure = error
        missing.append(f"cannot list the tags: {_summary(error)}")
    try:
        digest = digest_of(http, replace(reference, digest=None))
    except LockgenError as error:
        digest_failure = error
        missing.append(_digest_message(reference, error))
    if tags_failure is not None and digest_failure is not None:
        raise tags_failure
    return RegistryAnswer(digest, newer[-1] if newer else None, tuple(missing), listed=tags_failure is None)


def _digest_message(reference: ImageReference, error: LockgenError) -> str:
    if isinstance(error, BadInput):
        return f"the registry has no tag {reference.tag} any more"
    return f"cannot read the digest: {_summary(error)}"


def offer(http: Http, reference: ImageReference, manifest: Manifest, variants: tuple[str, ...]) -> Offer:
    """The possible updates of the base image of ``variants``. Requests that cannot find any are not sent.

    Raises:
        BadInput, ToolFailed: as for `ask`.
    """
    # Without a tag, only a digest is pinned, on purpose.
    if not reference.tagged:
        return Offer(reference, variants)
    newer: list[str] = []
    if may_be_newer(reference, python=manifest.target.release):
        newer = _newer(http, reference, manifest, variants)
    digest = None
    if reference.digest is not None:
        try:
            digest = digest_of(http, replace(reference, digest=None))
        except BadInput:
            # The tag was removed, which does not matter if a newer one replaces it.
            if not newer:
                raise
    return Offer(reference, variants, tuple(newer), digest)


def _newer(http: Http, reference: ImageReference, manifest: Manifest, variants: Iterable[str]) -> list[str]:
    tags = Registry(http, f"{reference.name}:{reference.tag}").tags()
    cuda = any(is_cuda(accelerator_of(manifest, name)) for name in variants)
    return newer_tags(reference, tags, python=manifest.target.release, cuda=cuda)


def _summary(error: LockgenError) -> str:
    fault = error.faults[0]
    return f"{fault.message} ({fault.reason})" if fault.reason else fault.message


def by_reference(manifest: Manifest) -> Mapping[str, tuple[str, ...]]:
    """The base images as they are written, each with the sorted variants whose images are built on it."""
    found: dict[str, list[str]] = {}
    for name in sorted(order_of_variants(manifest)):
        reference = manifest.variants[name].from_image
        found.setdefault(reference, []).append(name)
    return {reference: tuple(names) for reference, names in found.items()}


def digest_of(http: Http, reference: ImageReference) -> str:
    """The current digest of ``reference``. A reference with a digest returns that, if it still exists.

    Raises:
        BadInput, ToolFailed: as for `ask`.
    """
    return Registry(http, str(reference)).digest()
