"""The message of a commit of `lockgen update`: the moves, their origin, and a seal.

The seal is a hash of the message, the tree and the parent. Any change to the commit breaks it, so lockgen recognizes
its own commits without a key, and never overwrites a commit that a person amended.
"""

from __future__ import annotations

import hashlib
import json

from lockgen.core.documents import parse_json
from lockgen.update.model import Head, PullRequestContent, SealedCommit
from lockgen.update.pull_request_text import title, unique_moves

SEAL = "Lockgen-Seal"
MADE = "Lockgen-Update"

_FIRST_SEEN = (
    "`lockgen update` records here when it first saw each release of an index that does not publish upload times."
)


def update_message(content: PullRequestContent, key: str, moves: str, project: str, tree: str, parent: str) -> str:
    """The sealed message of an update commit."""
    lines = [f"{move.name}: {move.old} -> {move.new}" for move in unique_moves(content.moves)]
    trailer = _trailer(SealedCommit(project, content.group, key, moves))
    return sealed("\n".join([title(content), "", *lines, "", trailer]), tree, parent)


def first_seen_message(project: str, group: str, key: str, tree: str, parent: str) -> str:
    """The sealed message of the commit that records when releases were first seen."""
    trailer = _trailer(SealedCommit(project, group, key, ""))
    return sealed("\n".join(["releases seen", "", _FIRST_SEEN, "", trailer]), tree, parent)


def _trailer(made: SealedCommit) -> str:
    data = {"project": made.project, "group": made.group, "key": made.key, "moves": made.moves}
    return f"{MADE}: {json.dumps(data, sort_keys=True)}"


def sealed(text: str, tree: str, parent: str) -> str:
    """``text`` with a last line that seals the text, the tree and the parent."""
    return f"{text}\n{SEAL}: {seal(text, tree, parent)}\n"


def seal(text: str, tree: str, parent: str) -> str:
    """The seal of a commit: 64 hexadecimal digits."""
    data = "\0".join([text, tree, parent])
    return hashlib.sha256(data.encode()).hexdigest()


def read_sealed(head: Head) -> SealedCommit | None:
    """The trailer of a commit that lockgen made; None for any other commit, and for a changed one."""
    text, _, end = head.message.rstrip("\n").rpartition(f"\n{SEAL}: ")
    if len(head.parents) != 1 or end.strip() != seal(text, head.tree, head.parents[0]):
        return None
    line = text.rpartition(f"\n{MADE}: ")[2]
    try:
        data = parse_json(line)
        found = [data[name] for name in ("project", "group", "key", "moves")]
    # The seal is not secret: a forged trailer may hold anything, even deeply nested JSON.
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in found):
        return None
    return SealedCommit(*found)
