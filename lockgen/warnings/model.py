"""Warnings, and what a rule needs to find them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest


class FamilyWarning(NamedTuple):
    """Something that probably is not meant. ``path`` are the keys in versions.toml that it is about."""

    rule: str
    message: str
    path: KeyPath
    hint: str


@dataclass(frozen=True, slots=True)
class SharedPaths:
    """Paths that several packages install. ``pins`` are these packages, ``example`` is one of the ``count`` paths.

    ``same``: all of them install the same content.
    """

    pins: tuple[str, ...]
    same: bool
    count: int
    example: str


@dataclass(frozen=True)
class WarningContext:
    """The input of the rules.

    ``now`` is the time in UTC. ``is_folder`` says whether a path in the project is a folder. ``unknown_extras`` are
    sentences about requested extras that a package does not have: they are known only after resolving. ``shared_paths``
    are those of files whose content is known.
    """

    manifest: Manifest
    lock: Lock
    now: datetime
    is_folder: Callable[[str], bool]
    unknown_extras: tuple[str, ...] = field(default=())
    shared_paths: tuple[SharedPaths, ...] = field(default=())


Rule = Callable[[WarningContext], Iterable[FamilyWarning]]
"""A rule. Its name in JSON is the name of its module, with dashes."""
