"""Decide which base images have updates: a newer tag of the same kind, or a new image under a pinned tag.

Pure, except that the caller passes in a function that reads a digest from the registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lockgen.core.image_reference import ImageReference
from lockgen.core.parsing import parse_version
from lockgen.core.update_policy import BASES_GROUP, GroupPolicy, Policy
from lockgen.errors import BadInput
from lockgen.registry.model import Offer
from lockgen.registry.tags import number_of
from lockgen.update.model import BaseCandidate, Waiting
from lockgen.update.plan import cooling, ignored, wrong_step

_NO_NUMBER = parse_version("0")
"""The version of a tag without a number: only an ignore rule without versions covers it."""

_EARLIER = 20
"""How many earlier digests of a tag the record keeps."""

_DIGEST = re.compile(r"@sha256:([0-9a-f]{12})[0-9a-f]*$")

DigestOf = Callable[[ImageReference], str]
"""Reads the current digest of a reference from its registry: by the reference's digest if it has one, else by tag."""


def record_name(reference: ImageReference) -> str:
    """The name of a base image in the record of first-seen times. The colon keeps it apart from package names."""
    return f"image:{reference.name}"


def short_digest(text: str) -> str:
    """``text`` with a digest at its end shortened to twelve digits."""
    return _DIGEST.sub(r"@\1", text)


def after_name(reference: ImageReference) -> str:
    """The tag and digest of a reference, as written."""
    return str(reference).removeprefix(f"{reference.name}:")


def first_seen_record(
    offers: Iterable[Offer], seen: Mapping[str, Mapping[str, datetime]], now: datetime
) -> dict[str, dict[str, datetime]]:
    """The new record of first-seen times: registries do not say when an image was pushed.

    Releases that a registry no longer offers are dropped. Earlier digests of a tag stay, as their cooldown continues.
    """
    found: dict[str, dict[str, datetime]] = {}
    for offer in offers:
        name = record_name(offer.reference)
        known = seen.get(name, {})
        for release in (*offer.releases, *earlier_digests(offer, known)):
            found.setdefault(name, {})[release] = known.get(release, now)
    return found


def earlier_digests(offer: Offer, known: Mapping[str, datetime]) -> list[str]:
    """The images that a tag pointed to between the pinned digest and the current one, the latest first.

    A tag that is rebuilt more often than the cooldown lasts would never move without them.
    """
    reference = offer.reference
    if offer.digest in (None, reference.digest):
        return []
    tag = f"{reference.tag}@"
    pinned, current = f"{tag}{reference.digest}", f"{tag}{offer.digest}"
    since_pinned, since_current = known.get(pinned), known.get(current)
    found: list[tuple[datetime, str]] = []
    for release, since in known.items():
        if not release.startswith(tag) or release in (pinned, current):
            continue
        if since_pinned is not None and since <= since_pinned:
            continue
        # A tag that was set back to an earlier image has withdrawn the images after it.
        if since_current is not None and since >= since_current:
            continue
        found.append((since, release))
    found.sort(reverse=True)
    return [release for _, release in found[:_EARLIER]]


def group_of(policy: Policy, name: str) -> GroupPolicy:
    """The first group that contains the base image, or the default group of base images."""
    for group in policy.groups:
        if group.holds_image(name):
            return group
    for group in policy.groups:
        if group.name == BASES_GROUP:
            return group
    return GroupPolicy(BASES_GROUP, (), policy.steps)


@dataclass(frozen=True)
class BaseImageRules:
    """What decides about an offer. ``seen`` (first-seen times by image and release) and ``now`` are for cooldowns."""

    policy: Policy
    seen: Mapping[str, Mapping[str, datetime]]
    now: datetime
    digest_of: DigestOf


def due_update(offer: Offer, rules: BaseImageRules) -> tuple[BaseCandidate | None, list[Waiting]]:
    """The latest update of ``offer`` that the policy allows, None if there is none; and what it holds back.

    Raises:
        LockgenError: the registry does not give the digest of a tag, or does not say whether a digest still exists.
    """
    name = offer.reference.name
    # Only what is better than the chosen release waits for it.
    waiting: list[Waiting] = []
    for release in offer.releases:
        why = _held_back(offer, release, rules)
        if why is None:
            return _candidate(offer, release, rules), waiting
        waiting.append(Waiting(name, short_digest(release), why))
    known = rules.seen.get(record_name(offer.reference), {})
    for release in earlier_digests(offer, known):
        # Registries delete images that no tag points to.
        if _held_back(offer, release, rules) is None and _exists(offer, release, rules):
            return _candidate(offer, release, rules), waiting
    return None, waiting


def _exists(offer: Offer, release: str, rules: BaseImageRules) -> bool:
    """Whether the registry still has an earlier image of a tag."""
    digest = release.partition("@")[2]
    try:
        return rules.digest_of(replace(offer.reference, digest=digest)) == digest
    except BadInput:
        return False


def _candidate(offer: Offer, release: str, rules: BaseImageRules) -> BaseCandidate:
    reference = offer.reference
    tag, _, digest = release.partition("@")
    new = replace(reference, tag=tag, digest=digest or None)
    # A reference that pins a digest keeps pinning one.
    if reference.digest is not None and not digest:
        new = replace(new, digest=rules.digest_of(new))
    return BaseCandidate(reference.name, offer.variants, after_name(reference), after_name(new))


def _held_back(offer: Offer, release: str, rules: BaseImageRules) -> str | None:
    """Why the policy holds ``release`` back; None if it does not."""
    policy, reference = rules.policy, offer.reference
    tag = release.partition("@")[0]
    old = number_of(reference.tag) or _NO_NUMBER
    new = number_of(tag) or _NO_NUMBER
    for ignore in policy.ignore:
        if ignore.covers(reference.name, new, image=True):
            return ignored(ignore.reason)
    group = group_of(policy, reference.name)
    # A release that this run sees for the first time is as old as the run.
    known = rules.seen.get(record_name(reference), {})
    since = known.get(release, rules.now)
    return wrong_step(old, new, group) or cooling(since, group, policy, rules.now)


def grouped(policy: Policy, candidates: Sequence[BaseCandidate]) -> dict[str, tuple[GroupPolicy, list[BaseCandidate]]]:
    """The candidates of each group, by its name."""
    found: dict[str, tuple[GroupPolicy, list[BaseCandidate]]] = {}
    for candidate in candidates:
        group = group_of(policy, candidate.name)
        _, members = found.setdefault(group.name, (group, []))
        members.append(candidate)
    return found
