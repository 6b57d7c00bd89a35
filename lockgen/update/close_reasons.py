"""Why lockgen closes what it made, in a sentence: what became of the moves that its branch holds.

A sealed commit names what it moves, a line for each. The base branch, what is due now, what [update] holds back and the
releases that there are say the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from lockgen.core.image_reference import parse_reference
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest, Pin
from lockgen.core.update_policy import BASES_GROUP
from lockgen.index.model import Published
from lockgen.registry.tags import number_of
from lockgen.update.base_image_updates import after_name
from lockgen.update.model import SECURITY, UpdateGroup, Waiting
from lockgen.upgrade.bump_model import public

SHOWN = 5
"""Of how many moves a word tells what became of them, one by one."""

_MOVE = re.compile(r"(?P<name>\S+): (?P<old>\S+) -> (?P<new>\S+)")
_DIGEST = re.compile(r"@sha256:([0-9a-f]{12})[0-9a-f]*$")
_CUT_OFF = "exclude-newer"


@dataclass(frozen=True, slots=True)
class Gone:
    """A move that a branch made: from all that ``olds`` are to all that ``news`` are, as several variants have it."""

    name: str
    olds: tuple[str, ...]
    news: tuple[str, ...]


def moves_told(message: str) -> tuple[Gone, ...]:
    """What a commit of lockgen's moves, as its message says it; its first line is a title, and the cut-off no move."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in message.splitlines()[1:]:
        move = _MOVE.fullmatch(line)
        if move is not None and move["name"] != _CUT_OFF:
            found.setdefault(move["name"], []).append((move["old"], move["new"]))
    return tuple(
        Gone(name, *(tuple(dict.fromkeys(side)) for side in zip(*pairs, strict=True))) for name, pairs in found.items()
    )


@dataclass(frozen=True)
class Known:
    """What a run knows of the base branch and of the world.

    ``pins`` are all of a package, ``images`` what variants stand on (tag and digest) by name, ``locked`` the versions
    in the lock; ``releases`` are as commands.due has them, by a key that begins with the package's name.
    """

    pins: Mapping[str, Sequence[Pin]] = field(default_factory=dict)
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    locked: Mapping[str, Sequence[Version]] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    releases: Mapping[str, Sequence[Published]] = field(default_factory=dict)


def known_of(
    manifest: Manifest, lock: Lock, waiting: Sequence[Waiting], releases: Mapping[str, Sequence[Published]]
) -> Known:
    """What versions.toml and the lock of the base branch say, beside what was found."""
    pins: dict[str, list[Pin]] = {name: [pin] for name, pin in manifest.pins.items()}
    images: dict[str, list[str]] = {}
    for variant in manifest.variants.values():
        for name, pin in variant.pins.items():
            pins.setdefault(name, []).append(pin)
        reference = parse_reference(variant.from_image)
        images.setdefault(reference.name, []).append(after_name(reference))
    locked: dict[str, list[Version]] = {}
    for package in lock.packages:
        locked.setdefault(package.name, []).append(Version(package.version))
    return Known(pins, images, locked, waiting, releases)


def farewell(
    name: str, message: str, groups: Sequence[UpdateGroup], there: Mapping[str, str], known: Known | None, base: str
) -> str:
    """The word for the branch of the group ``name``. ``message`` is its commit's; "" where the branch is gone.

    ``there`` are the branches of the due groups that have one, by the name of the group: no other is promised.
    """
    gone = moves_told(message) or (Gone(name, (), ()),)
    homes = [_home(one, groups) for one in gone]
    if all(homes):
        return f"Superseded: {_moved_on(gone, [home for home in homes if home], there)}."
    security = message.startswith(SECURITY)
    said = [_became(one, home, known, base, security) for one, home in zip(gone, homes, strict=True)]
    if known is None or not all(said):
        return f"Superseded: {base} has these versions or newer ones, or versions.toml does not ask for them any more."
    done = all(_reached(one, known) for one in gone)
    words = list(dict.fromkeys(word for word in said if word))
    more = f" And {len(words) - SHOWN} more like these." if len(words) > SHOWN else ""
    return f"{'Done' if done else 'Superseded'}: {'; '.join(words[:SHOWN])}.{more}"


def _home(gone: Gone, groups: Iterable[UpdateGroup]) -> str | None:
    """The due group that what is ``gone`` moves with now."""
    for group in groups:
        names = {*(candidate.name for candidate in group.candidates), *(image.name for image in group.bases)}
        if gone.name in names or (gone.name == BASES_GROUP and group.bases):
            return group.name
    return None


def _moved_on(gone: Sequence[Gone], homes: Sequence[str], there: Mapping[str, str]) -> str:
    parts = []
    for home in dict.fromkeys(homes):
        names = [one.name for one, at in zip(gone, homes, strict=True) if at == home]
        where = f"{home} now, on the branch {there[home]}" if home in there else f"the group {home} now"
        parts.append(f"{_listed(names)} {'moves' if len(names) == 1 else 'move'} with {where}")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _became(gone: Gone, home: str | None, known: Known | None, base: str, security: bool) -> str | None:
    """What became of one move, as a sentence without its stop; None where nobody can tell."""
    if home is not None:
        return f"{gone.name} moves with the group {home} now"
    if known is None or not gone.news:
        return None
    has = _reached(gone, known)
    if has is not None:
        return f"{base} has {gone.name} {has}"
    return _asked_no_more(gone, known, base, security) or _held_back(gone, known) or _withdrawn(gone, known)


def _reached(gone: Gone, known: Known) -> str | None:
    """What the base branch has instead: nothing is where it was any more, and something is where it should go.

    A variant with an older version of its own was no part of the move.
    """
    if gone.name in known.pins:
        return _version_reached(gone, [pin.version for pin in known.pins[gone.name]])
    if gone.name in known.images:
        return _image_reached(gone, known.images[gone.name])
    return _version_reached(gone, known.locked.get(gone.name, ()))


def _version_reached(gone: Gone, versions: Sequence[Version]) -> str | None:
    olds, news = ([public(version) for version in _versions(side)] for side in (gone.olds, gone.news))
    if not news or any(public(version) in olds for version in versions):
        return None
    reached = [version for version in versions if public(version) >= min(news)]
    return str(min(reached)) if reached else None


def _image_reached(gone: Gone, values: Sequence[str]) -> str | None:
    if any(value in gone.olds for value in values):
        return None
    goals = [number for value in gone.news if (number := _number(value)) is not None]
    for value in values:
        number = _number(value)
        if value in gone.news or (goals and number is not None and number >= min(goals)):
            return _short(value)
    return None


def _asked_no_more(gone: Gone, known: Known, base: str, security: bool) -> str | None:
    """A package that was locked without a pin moved because of a vulnerability, if it was."""
    if gone.name in known.images:
        return None
    if gone.name in known.pins:
        held = any(pin.held for pin in known.pins[gone.name])
        return f"versions.toml holds {gone.name} now, so only people move it" if held else None
    if "/" in gone.name:
        return f"nothing stands on {gone.name} any more"
    if gone.name not in known.locked:
        return f"{base} has no {gone.name} any more"
    return None if security else f"versions.toml pins {gone.name} no more"


def _held_back(gone: Gone, known: Known) -> str | None:
    news = {*gone.news, *map(_short, gone.news), *(str(public(version)) for version in _versions(gone.news))}
    for one in known.waiting:
        if one.name == gone.name and news & {one.version, *(str(public(v)) for v in _versions((one.version,)))}:
            return f"[update] holds {one.name} {one.version} back: {one.why}"
    return None


def _withdrawn(gone: Gone, known: Known) -> str | None:
    """Where an index was read and offers other releases only."""
    offered = {
        public(release.version)
        for key, releases in known.releases.items()
        if key.partition(" ")[0] == gone.name
        for release in releases
    }
    missing = [version for version in _versions(gone.news) if public(version) not in offered]
    return f"{gone.name} {missing[0]} was withdrawn from its index" if offered and missing else None


def _versions(texts: Iterable[str]) -> list[Version]:
    found = []
    for text in texts:
        try:
            found.append(Version(text))
        except InvalidVersion:
            continue
    return found


def _number(value: str) -> Version | None:
    return number_of(value.partition("@")[0])


def _short(value: str) -> str:
    """A digest by its first twelve digits, as people tell them apart."""
    return _DIGEST.sub(r"@\1", value)
