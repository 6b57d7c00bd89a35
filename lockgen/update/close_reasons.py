"""Explain in one sentence why lockgen closes a pull request: what happened to the moves of its branch. Pure.

A sealed commit lists its moves, one per line. The explanation follows from these, from the pins and the lock of the
base branch, from the groups with updates, from the releases that [update] holds back, and from the indexes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from lockgen.core.image_reference import parse_reference
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest, Pin
from lockgen.core.parsing import parse_version
from lockgen.core.update_policy import BASES_GROUP
from lockgen.core.words import counted
from lockgen.index.model import Published
from lockgen.registry.tags import number_of
from lockgen.update.base_image_updates import after_name, short_digest
from lockgen.update.model import SECURITY, PinKey, UpdateGroup, Waiting
from lockgen.upgrade.bump_model import public

SHOWN = 5
"""How many moves are explained one by one."""

_MOVE = re.compile(r"(?P<name>\S+): (?P<old>\S+) -> (?P<new>\S+)")
_CUT_OFF = "exclude-newer"


@dataclass(frozen=True, slots=True)
class PastMove:
    """A move that a branch made: from ``olds`` to ``news``, as variants may have different versions."""

    name: str
    olds: tuple[str, ...]
    news: tuple[str, ...]


def moves_in(message: str) -> tuple[PastMove, ...]:
    """The moves that the message of a sealed commit lists, without the cut-off."""
    olds: dict[str, list[str]] = {}
    news: dict[str, list[str]] = {}
    # The first line is the title, which may look like a move.
    for line in message.splitlines()[1:]:
        move = _MOVE.fullmatch(line)
        if move is None:
            continue
        name, old, new = move["name"], move["old"], move["new"]
        # The cut-off follows the packages, so it explains nothing.
        if name != _CUT_OFF:
            olds.setdefault(name, []).append(old)
            news.setdefault(name, []).append(new)
    return tuple(PastMove(name, _unique(olds[name]), _unique(news[name])) for name in olds)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


@dataclass(frozen=True)
class CloseContext:
    """The state of the base branch and of the indexes.

    ``pins`` are all pins of a package, ``images`` the tags and digests of a base image, ``locked`` the locked versions
    of a package, all by name. ``waiting`` is what the policy holds back, ``releases`` what the indexes offer.
    """

    pins: Mapping[str, Sequence[Pin]] = field(default_factory=dict)
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    locked: Mapping[str, Sequence[Version]] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    releases: Mapping[PinKey, Sequence[Published]] = field(default_factory=dict)


def close_context(
    manifest: Manifest, lock: Lock, waiting: Sequence[Waiting], releases: Mapping[PinKey, Sequence[Published]]
) -> CloseContext:
    """The context from versions.toml and the lock of the base branch, and from what the scan found."""
    images: dict[str, list[str]] = {}
    for variant in manifest.variants.values():
        reference = parse_reference(variant.from_image)
        images.setdefault(reference.name, []).append(after_name(reference))
    locked: dict[str, list[Version]] = {}
    for package in lock.packages:
        version = parse_version(package.version)
        locked.setdefault(package.name, []).append(version)
    return CloseContext(
        pins=_all_pins(manifest),
        images=images,
        locked=locked,
        waiting=waiting,
        releases=releases,
    )


def _all_pins(manifest: Manifest) -> dict[str, list[Pin]]:
    """The shared pin of each package, then those of variants."""
    pins = {name: [pin] for name, pin in manifest.pins.items()}
    for variant in manifest.variants.values():
        for name, pin in variant.pins.items():
            pins.setdefault(name, []).append(pin)
    return pins


def close_reason(
    name: str,
    message: str,
    groups: Sequence[UpdateGroup],
    existing: Mapping[str, str],
    context: CloseContext | None,
    base: str,
) -> str:
    """The reason to close the branch of the group ``name``.

    ``message`` is the message of its commit, "" if the branch is gone. ``existing`` maps groups with updates to their
    branches, if those exist: the reason must not refer to a branch that this run failed to create.
    """
    # If the branch is gone, the name of the group is the best guess at what moved.
    moves = moves_in(message) or (PastMove(name, (), ()),)
    grouped: dict[PastMove, str] = {}
    for move in moves:
        group = _group_now(move, groups)
        if group is not None:
            grouped[move] = group
    if len(grouped) == len(moves):
        return f"Superseded: {_moved_on(grouped, existing)}."
    generic = f"Superseded: {base} has these versions or newer ones, or versions.toml no longer requires them."
    if context is None:
        return generic
    explanation = _Explanation(context, base, security=message.startswith(SECURITY))
    reasons: list[str] = []
    for move in moves:
        reason = explanation.of(move, grouped.get(move))
        # Half an explanation would be misleading.
        if reason is None:
            return generic
        reasons.append(reason)
    done = all(_reached(move, context) for move in moves)
    return _summary(done, _unique(reasons))


def _summary(done: bool, reasons: Sequence[str]) -> str:
    kind = "Done" if done else "Superseded"
    text = f"{kind}: {'; '.join(reasons[:SHOWN])}."
    if len(reasons) > SHOWN:
        text += f" {counted(len(reasons) - SHOWN, 'more move is', 'more moves are')} not listed."
    return text


def _group_now(move: PastMove, groups: Iterable[UpdateGroup]) -> str | None:
    """The group with updates that now contains what moved."""
    for group in groups:
        names = {candidate.name for candidate in group.candidates}
        names.update(image.name for image in group.bases)
        if move.name in names or (move.name == BASES_GROUP and group.bases):
            return group.name
    return None


def _moved_on(grouped: Mapping[PastMove, str], existing: Mapping[str, str]) -> str:
    members: dict[str, list[str]] = {}
    for move, group in grouped.items():
        members.setdefault(group, []).append(move.name)
    parts = []
    for group, names in members.items():
        verb = "moves" if len(names) == 1 else "move"
        where = f"the group {group}"
        if group in existing:
            where = f"{group}, on the branch {existing[group]}"
        parts.append(f"{_listed(names)} now {verb} with {where}")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


@dataclass(frozen=True, slots=True)
class _Explanation:
    """Explains what happened to the moves of one branch."""

    context: CloseContext
    base: str
    security: bool

    def of(self, move: PastMove, group: str | None) -> str | None:
        """What happened to one move, as a clause; None if it is unknown."""
        if group is not None:
            return f"{move.name} now moves with the group {group}"
        if not move.news:
            return None
        reached = _reached(move, self.context)
        if reached is not None:
            return f"{self.base} has {move.name} {reached}"
        # A pin that is gone explains more than what the policy or the index say about its releases.
        gone = self._no_longer_required(move)
        return gone or _held_back(move, self.context) or _withdrawn(move, self.context)

    def _no_longer_required(self, move: PastMove) -> str | None:
        context = self.context
        if move.name in context.images:
            return None
        if move.name in context.pins:
            if any(pin.held for pin in context.pins[move.name]):
                return f"versions.toml now holds {move.name}, so lockgen does not move it"
            return None
        # Only names of base images contain a slash.
        if "/" in move.name:
            return f"no variant uses {move.name} any more"
        if move.name not in context.locked:
            return f"{self.base} does not contain {move.name} any more"
        # A security fix also moves packages that were never pinned.
        return None if self.security else f"versions.toml no longer pins {move.name}"


def _reached(move: PastMove, context: CloseContext) -> str | None:
    """The version or tag that the base branch has now; None if the move is not done there.

    A move is done if no old value is left, and a value is at the goal or after it. So a variant that pins an even
    older version does not count: it was not part of the move.
    """
    pins = context.pins.get(move.name)
    if pins is not None:
        return _version_reached(move, [pin.version for pin in pins])
    tags = context.images.get(move.name)
    if tags is not None:
        return _image_reached(move, tags)
    locked = context.locked.get(move.name, ())
    return _version_reached(move, locked)


def _version_reached(move: PastMove, versions: Sequence[Version]) -> str | None:
    olds = _public_versions(move.olds)
    news = _public_versions(move.news)
    if not news or any(public(version) in olds for version in versions):
        return None
    reached = [version for version in versions if public(version) >= min(news)]
    return str(min(reached)) if reached else None


def _image_reached(move: PastMove, values: Sequence[str]) -> str | None:
    if any(value in move.olds for value in values):
        return None
    goals = [number for number in map(_number, move.news) if number is not None]
    for value in values:
        # A digest has no order: only the very same one counts, or a higher number in the tag.
        if value in move.news:
            return short_digest(value)
        number = _number(value)
        if goals and number is not None and number >= min(goals):
            return short_digest(value)
    return None


def _held_back(move: PastMove, context: CloseContext) -> str | None:
    news = _spellings(move.news)
    # The policy may name a build or a shortened digest, the commit the full one.
    for one in context.waiting:
        if one.name == move.name and news & _spellings((one.version,)):
            return f"[update] holds {one.name} {one.version} back: {one.why}"
    return None


def _spellings(values: Iterable[str]) -> set[str]:
    """The values as the policy may name them: as written, with a short digest, and as public versions."""
    found: set[str] = set()
    for value in values:
        found.update((value, short_digest(value)))
        found.update(str(version) for version in _public_versions((value,)))
    return found


def _withdrawn(move: PastMove, context: CloseContext) -> str | None:
    """The reason for a release that its index no longer offers; None if the index was not read."""
    offered: set[Version] = set()
    for key, releases in context.releases.items():
        if key.name == move.name:
            offered.update(public(release.version) for release in releases)
    # No release at all means that the index did not answer.
    if not offered:
        return None
    for version in _versions(move.news):
        if public(version) not in offered:
            return f"{move.name} {version} was withdrawn from its index"
    return None


def _versions(texts: Iterable[str]) -> list[Version]:
    found = []
    for text in texts:
        try:
            found.append(parse_version(text))
        except InvalidVersion:
            # Tags of base images are not versions.
            continue
    return found


def _public_versions(texts: Iterable[str]) -> list[Version]:
    return [public(version) for version in _versions(texts)]


def _number(value: str) -> Version | None:
    return number_of(value.partition("@")[0])
