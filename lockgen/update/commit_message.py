"""The message of a commit of `lockgen update`: what moves, what it was made from, and a seal that any change breaks."""

from __future__ import annotations

import hashlib
import json

from lockgen.update.model import Head, PullRequestContent, SealedCommit
from lockgen.update.pull_request_text import once, title

SEAL = "Lockgen-Seal"
MADE = "Lockgen-Update"


def message(story: PullRequestContent, key: str, moves: str, project: str, tree: str, parent: str) -> str:
    """The message of the commit, sealed: see ``seal``."""
    lines = [f"{move.name}: {move.old} -> {move.new}" for move in once(story.moves)]
    made = json.dumps({"project": project, "group": story.group, "key": key, "moves": moves}, sort_keys=True)
    return sealed("\n".join([title(story), "", *lines, "", f"{MADE}: {made}"]), tree, parent)


def seen_message(project: str, group: str, key: str, tree: str, parent: str) -> str:
    """The message of the commit that keeps when releases were first seen."""
    made = json.dumps({"project": project, "group": group, "key": key, "moves": ""}, sort_keys=True)
    told = "`lockgen update` keeps here when it first saw releases of indexes that do not say when they were uploaded."
    return sealed("\n".join(["releases seen", "", told, "", f"{MADE}: {made}"]), tree, parent)


def sealed(text: str, tree: str, parent: str) -> str:
    """``text`` with a last line that names its own words, the tree and the parent: any change to one of them shows."""
    return f"{text}\n{SEAL}: {seal(text, tree, parent)}\n"


def seal(text: str, tree: str, parent: str) -> str:
    """The seal of a commit, 64 hex digits."""
    return hashlib.sha256("\0".join([text, tree, parent]).encode()).hexdigest()


def made_of(head: Head) -> SealedCommit | None:
    """What a commit of lockgen's own says; None for any other, and for one of lockgen's that somebody changed."""
    text, _, end = head.message.rstrip("\n").rpartition(f"\n{SEAL}: ")
    if len(head.parents) != 1 or end.strip() != seal(text, head.tree, head.parents[0]):
        return None
    line = text.rpartition(f"\n{MADE}: ")[2]
    try:
        data = json.loads(line)
        found = [data[name] for name in ("project", "group", "key", "moves")]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return SealedCommit(*found) if all(isinstance(value, str) for value in found) else None
