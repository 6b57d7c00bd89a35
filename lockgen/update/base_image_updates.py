"""Which base images are due: a newer tag of the same kind, or what is under a tag whose digest is pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from lockgen.core.image_reference import ImageReference
from lockgen.core.update_policy import BASES_GROUP, GroupPolicy, Policy
from lockgen.errors import BadInput
from lockgen.registry.model import Offer
from lockgen.registry.tags import number_of
from lockgen.update.model import BaseCandidate, Waiting
from lockgen.update.plan import cooling, wrong_step

_NOTHING = Version("0")
"""The version of a tag without a number: only an ignore without versions covers it."""

_EARLIER = 20
"""How many of the digests that a tag had are remembered."""

DigestOf = Callable[[ImageReference], str]
"""What a reference is now, as its registry says it: by its digest where it has one, else by its tag."""


def seen_as(reference: ImageReference) -> str:
    """The name of a base image in the record of first sights; no package can have it."""
    return f"image:{reference.name}"


def unseen(
    offers: Iterable[Offer], seen: Mapping[str, Mapping[str, datetime]], now: datetime
) -> dict[str, dict[str, datetime]]:
    """When each release was first seen: registries do not say when they got it. What is gone is left out, but what a
    tag was before stays, as it goes on cooling.
    """
    found: dict[str, dict[str, datetime]] = {}
    for offer in offers:
        known = seen.get(seen_as(offer.reference), {})
        for release in (*offer.releases, *earlier(offer, known)):
            found.setdefault(seen_as(offer.reference), {})[release] = known.get(release, now)
    return found


def earlier(offer: Offer, known: Mapping[str, datetime]) -> list[str]:
    """What the tag was between the pinned digest and what it is now, by first sights, the newest first.

    A tag that is built anew more often than the cooldown lasts would else never move.
    """
    reference, tag = offer.reference, f"{offer.reference.tag}@"
    if offer.digest in (None, reference.digest):
        return []
    pinned, now = (known.get(f"{tag}{digest}") for digest in (reference.digest, offer.digest))
    found = [
        (since, release)
        for release, since in known.items()
        if release.startswith(tag) and release not in (f"{tag}{reference.digest}", f"{tag}{offer.digest}")
        # A tag that went back to what it was has taken the later ones back.
        if (pinned is None or since > pinned) and (now is None or since < now)
    ]
    return [release for _, release in sorted(found, reverse=True)[:_EARLIER]]


def group_of(policy: Policy, name: str) -> GroupPolicy:
    """The first group that holds the base image; else the one of all that no group holds."""
    for group in policy.groups:
        if group.holds_image(name):
            return group
    own = next((group for group in policy.groups if group.name == BASES_GROUP), None)
    return own or GroupPolicy(BASES_GROUP, (), policy.steps)


@dataclass(frozen=True)
class Rules:
    """What decides, besides the offer: ``seen`` and ``now`` are for cooldowns."""

    policy: Policy
    seen: Mapping[str, Mapping[str, datetime]]
    now: datetime
    digest_of: DigestOf


def due(offer: Offer, rules: Rules) -> tuple[BaseCandidate | None, list[Waiting]]:
    """The newest that the policy lets ``offer`` move to, None where there is none; and what it holds back.

    Raises:
        LockgenError: the registry does not say which digest a tag has, or whether it still has one.
    """
    name = offer.reference.name
    waiting: list[Waiting] = []
    for release in offer.releases:
        why = _held_back(offer, release, rules)
        if why is None:
            return _candidate(offer, release, rules), waiting
        waiting.append(Waiting(name, _short(release), why))
    for release in earlier(offer, rules.seen.get(seen_as(offer.reference), {})):
        if _held_back(offer, release, rules) is None and _is_there(offer, release, rules):
            return _candidate(offer, release, rules), waiting
    return None, waiting


def _is_there(offer: Offer, release: str, rules: Rules) -> bool:
    """Whether the registry still has what a tag was before."""
    digest = release.partition("@")[2]
    try:
        return rules.digest_of(replace(offer.reference, digest=digest)) == digest
    except BadInput:
        return False


def _candidate(offer: Offer, release: str, rules: Rules) -> BaseCandidate:
    reference = offer.reference
    tag, _, digest = release.partition("@")
    new = replace(reference, tag=tag, digest=digest or None)
    if reference.digest is not None and not digest:
        new = replace(new, digest=rules.digest_of(new))
    return BaseCandidate(reference.name, offer.variants, after_name(reference), after_name(new))


def _held_back(offer: Offer, release: str, rules: Rules) -> str | None:
    """Why the policy holds ``release`` back; None where it does not."""
    name, tag = offer.reference.name, release.partition("@")[0]
    group = group_of(rules.policy, name)
    old, new = (number_of(text) or _NOTHING for text in (offer.reference.tag, tag))
    for ignore in rules.policy.ignore:
        if ignore.covers(name, new, image=True):
            return f"ignored{f': {ignore.reason}' if ignore.reason else ''}"
    since = rules.seen.get(seen_as(offer.reference), {}).get(release, rules.now)
    return wrong_step(old, new, group) or cooling(since, group, rules.policy, rules.now)


def after_name(reference: ImageReference) -> str:
    """Tag and digest, as they are written."""
    return str(reference).removeprefix(f"{reference.name}:")


def _short(release: str) -> str:
    """A digest by its first twelve digits."""
    tag, at, digest = release.partition("@")
    return f"{tag}@{digest.removeprefix('sha256:')[:12]}" if at else tag


def grouped(policy: Policy, candidates: Sequence[BaseCandidate]) -> dict[str, tuple[GroupPolicy, list[BaseCandidate]]]:
    """The candidates of each group, by its name."""
    found: dict[str, tuple[GroupPolicy, list[BaseCandidate]]] = {}
    for candidate in candidates:
        group = group_of(policy, candidate.name)
        found.setdefault(group.name, (group, []))[1].append(candidate)
    return found
