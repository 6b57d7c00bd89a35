"""Proposals as edits of versions.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lockgen.conflicts.model import Listing, Proposal, Repairs
from lockgen.conflicts.repair_render import note
from lockgen.core.documents import parse_toml
from lockgen.core.key_path import KeyPath
from lockgen.core.toml_positions import TomlPositions
from lockgen.manifest.editor import Edit, edited, with_item, with_key_beside, with_pin

_NAME_AND_EXTRAS = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?")


def with_proposal(text: str, proposal: Proposal, repairs: Repairs, file: str) -> str:
    """``text``, a versions.toml, with the changes of ``proposal``.

    Raises:
        BadInput: the text cannot be edited without a change of something else.
    """
    text = with_listings(text, proposal.listings, file)
    text = edited(text, edits(text, proposal, repairs), TomlPositions(text).find, file)
    for pin in proposal.new_pins:
        text = with_pin(text, pin.package, pin.version, TomlPositions(text).find, file)
    return text


def with_listings(text: str, listings: Iterable[Listing], file: str) -> str:
    """``text`` with packages listed on indexes, and with the variants that use these.

    Raises:
        BadInput: the text cannot be edited without a change of something else.
    """
    for listing in listings:
        # Positions are read again, because each edit moves what follows.
        path: KeyPath = ("index", listing.index, "packages")
        text = with_item(text, path, listing.package, TomlPositions(text).find, file)
        for variant in listing.variants:
            if _uses_index(text, variant):
                continue
            text = with_key_beside(
                text, ("variants", variant, "from"), "index", listing.index, TomlPositions(text).find, file
            )
    return text


def _uses_index(text: str, variant: str) -> bool:
    return "index" in parse_toml(text)["variants"][variant]


def edits(text: str, proposal: Proposal, repairs: Repairs) -> list[Edit]:
    """The changes of ``proposal`` as edits of values in ``text``; each value keeps its spelling."""
    document = parse_toml(text)
    wanted: list[Edit] = []
    for move in proposal.moves:
        constraint = move.constraint
        comment = note(move, proposal, repairs.conflicts)
        for path in (constraint.path, *constraint.other_paths):
            old = _value(document, path)
            # A pin is a bare version; anything else is a requirement.
            new = str(move.to) if constraint.kind == "pin" else respelled(old, move.to)
            wanted.append(Edit(path, old, new, comment))
    return wanted


def _value(document: Any, path: KeyPath) -> str:
    for key in path:
        document = document[key]
    # A held pin is a table.
    if isinstance(document, dict):
        document = document["version"]
    return str(document)


def respelled(requirement: str, version: str | None) -> str:
    """``requirement`` with another exact version or without a bound; name, extras and marker keep their spelling."""
    head = _NAME_AND_EXTRAS.match(requirement)
    respelling = head[0].rstrip() if head else requirement
    if version is not None:
        respelling += f"=={version}"
    _, _, marker = requirement.partition(";")
    marker = marker.strip()
    if marker:
        respelling += f" ; {marker}"
    return respelling
