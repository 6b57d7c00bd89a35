"""Kills `lockgen resolve` at every step of its writing, and at random moments; run as a program by a test.

Each time a real `resolve` runs in a forked child, which ends itself with SIGKILL at its Nth call into the file system
(or is killed from outside after a random time). Then a fresh child runs another command. What lies there
afterwards has to be the whole old tree or the whole new one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What the children need is imported here once: each of them would else do so by itself, again and again.
import lockgen.outputs.resolve_command
import lockgen.why.command  # noqa: F401
from lockgen.cli import guarded
from lockgen.io.workspace import Folder
from support.reader import tree_of

CALLS = ("replace", "fsync", "unlink", "rmdir", "mkdir", "open", "close", "lstat")


def kill_at(number: int) -> None:
    """From the next Folder.replace on, the ``number``th call into the file system is this process's last."""
    original = Folder.replace
    left = [number]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return wrapper

    def replace(self: Folder, tree: Any) -> list[str]:
        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        return original(self, tree)

    Folder.replace = replace  # type: ignore[method-assign]


def forked(work: Callable[[], int], after: float | None = None) -> int:
    """Runs ``work`` in a child; kills it after ``after`` seconds. The exit status, -9 if it was killed."""
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os._exit(work())
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Killing:
    def __init__(self, root: Path, texts: list[str]) -> None:
        self.root, self.texts = root, texts
        self.trees = []
        for text in texts:
            (root / "versions.toml").write_text(text)
            # Not forked: what is compiled and looked up in a first run is there for each child.
            begun = time.monotonic()
            assert self.resolve() == 0
            self.seconds = time.monotonic() - begun
            self.trees.append(self.tree())
        assert self.trees[0] != self.trees[1]
        self.at = 1
        self.kills, self.found = 0, {"old": 0, "new": 0}

    def resolve(self) -> int:
        return guarded(["-C", str(self.root), "resolve", "--offline"])

    def tree(self) -> dict[str, bytes]:
        return {path: data for path, data in tree_of(self.root).items() if path != "versions.toml"}

    def attempt(self, number: int | None, after: float | None) -> bool:
        """One resolve to the other tree, killed; whether it was."""
        old, new = self.trees[self.at], self.trees[1 - self.at]
        (self.root / "versions.toml").write_text(self.texts[1 - self.at])

        def work() -> int:
            if number is not None:
                kill_at(number)
            return self.resolve()

        killed = forked(work, after) == -signal.SIGKILL
        assert forked(lambda: guarded(["-C", str(self.root), "why", "numpy"])) == 0, "the next command works"
        now = self.tree()
        assert now in (old, new), f"a mixture after call {number}, {after}: {sorted(now.keys() ^ new.keys())}"
        self.kills += killed
        self.found["new" if now == new else "old"] += killed
        if now == new:
            self.at = 1 - self.at
        return killed


def main(root: str, texts: str, enough: str) -> None:
    killing = Killing(Path(root), json.loads(texts))
    chance = random.Random(6)
    for _ in range(2):
        number = 1
        while killing.attempt(number, None):
            number += chance.randint(5, 20)  # every single call: applier.py
    while killing.kills < int(enough):
        killing.attempt(None, chance.uniform(0.0, killing.seconds))
    assert forked(killing.resolve) == 0
    assert killing.tree() in killing.trees
    left = sorted(path.name for path in (Path(root) / ".lockgen").iterdir())
    print(json.dumps({"kills": killing.kills, **killing.found, "left": left}))


if __name__ == "__main__":
    main(*sys.argv[1:])
