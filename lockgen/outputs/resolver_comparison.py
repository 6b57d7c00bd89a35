"""What uv would have locked where pip-compile did: the difference, said in the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.errors import NoResolution, ToolFailed
from lockgen.lock.engine import Engine
from lockgen.resolvers import resolver

REFERENCE = "uv"


def second_opinion(
    engine: Engine, manifest: Manifest, inputs: Mapping[str, str], old: Lock | None, lock: Lock, progress: Progress
) -> None:
    """Notes how ``lock``, made by ``engine``, differs from uv's of the same inputs; nothing where it does not.

    Both hold every bound: where several versions fit, each resolver decides the packages in an order of its own
    (pip: resolvelib's, uv: PubGrub's). uv needs seconds where pip-compile needs half a minute.
    """
    name = engine.resolver.name
    progress.step(f"comparing with {REFERENCE}")
    try:
        other = replace(engine, resolver=resolver(REFERENCE)).resolve(manifest, inputs, old)
    except NoResolution as error:
        progress.note(f"{name} found a solution, {REFERENCE} none: {error.faults[0].reason or error}")
        return
    except ToolFailed as error:
        progress.note(f"{REFERENCE} could not be asked whether it agrees: {error}")
        return
    if lines := differences(lock, other, name):
        progress.note("\n".join([f"{name} and {REFERENCE} choose differently; what {name} chose is locked:", *lines]))


def differences(lock: Lock, other: Lock, name: str) -> list[str]:
    """A line for each package that the two lock otherwise, with who asks for it with a bound."""
    mine, theirs = _versions(lock), _versions(other)
    return [
        f"  {package} {_said(mine.get(package))} by {name}, {_said(theirs.get(package))} by {REFERENCE}; both fit"
        f" what is asked of it there ({_asked(lock, package)} | {_asked(other, package)})"
        for package in sorted(mine.keys() | theirs.keys())
        if mine.get(package) != theirs.get(package)
    ]


def _versions(lock: Lock) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for package in lock.packages:
        found.setdefault(package.name, {})[package.version] = package.variants
    return found


def _said(versions: Mapping[str, tuple[str, ...]] | None) -> str:
    return " and ".join(versions) if versions else "not needed"


def _asked(lock: Lock, name: str) -> str:
    """ "speech 1.0: numpy>=1.26" for everything that asks for ``name``."""
    asked = []
    for image in lock.images:
        asked += [f"{image.name}: {need}" for need in (*image.common, *image.requires) if need.name == name]
    for package in lock.packages:
        needs = [*package.requires, *(need for extra in package.extras.values() for need in extra)]
        asked += [f"{package.name} {package.version}: {need}" for need in needs if need.name == name]
    return ", ".join(dict.fromkeys(asked)) or "nobody asks"
