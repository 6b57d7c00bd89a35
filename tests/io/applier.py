"""Applies trees to a folder and is killed for it; run as a program by test_kills.py and test_two_processes.py.

applier.py kill FOLDER KILLS     kills children at every call and at random moments, checks, prints counts
applier.py write FOLDER NAME N   N different trees, each checked while the lock is held
applier.py read FOLDER           reads whole trees until its input ends, prints how many it saw
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from support.faults import MAKING, at_call, snapshot, state

from lockgen.io import (
    preflight,  # noqa: F401  (loaded once, before the forks)
)
from lockgen.io.workspace import Folder

FILES = 40
Tree = dict[str, bytes | None]


def tree(stamp: str, seed: int) -> Tree:
    """Some of the paths removed, the rest of one stamp; of sizes from nothing to some pages."""
    chance = random.Random(seed)
    made: Tree = {}
    for number in range(FILES):
        path = f"docker/stage{number % 13}/requirements-{number}.txt" if number % 3 else f"locks/cpu/{number}.txt"
        keep = number % 3 == 0 or (number + seed) % 5
        made[path] = f"{stamp}\n".encode() * chance.choice((1, 30, 4000)) if keep else None
    made["docker/requirements-build.txt"] = b""
    return made


def there(wanted: Tree) -> dict[str, bytes | int]:
    """What a snapshot of ``wanted`` looks like."""
    found: dict[str, bytes | int] = {}
    for path, data in wanted.items():
        if data is not None:
            found[path] = data
            folders = path.split("/")[:-1]
            found.update({"/".join(folders[: end + 1]): -1 for end in range(len(folders))})
    return found


def fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ended(child: int) -> bool:
    """Waits; whether the child was killed. A child must not fail in another way."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def die(name: str, arguments: tuple[Any, ...]) -> None:
    if name in ("write", "pwrite") and len(arguments[1]) > 1:  # torn: half of it reached the disk
        os.lseek(arguments[0], 0, os.SEEK_SET)
        with open(f"/dev/fd/{arguments[0]}", "wb") as file:
            file.write(bytes(arguments[1])[: len(arguments[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    def __init__(self, root: str) -> None:
        self.root = root
        self.trees = [tree("old", 1), tree("new", 2)]
        self.wanted = [there(one) for one in self.trees]
        assert self.wanted[0] != self.wanted[1]
        self.at = 0
        self.counts = {"kills": 0, "steps": 0, "random": 0, "writing": 0, "journals": 0, "old": 0, "new": 0}
        self.chance = random.Random(17)
        Folder(root).replace(self.trees[0])

    def settle(self, killed: bool) -> None:
        """Do what the next command does, in a separate process, which is sometimes killed as well."""
        left = state(self.root)
        self.counts["kills"] += killed
        self.counts["writing"] += killed and bool(left & {"stage", "journal.json", "journal.tmp"})
        if "journal.json" in left:
            self.counts["journals"] += killed
            self.counts["kills"] += ended(fork(lambda: self.recover(self.chance.randrange(1, 90))))
        if self.chance.random() < 0.05:
            code = "import sys; from lockgen.io.workspace import Folder; Folder(sys.argv[1]).recover()"
            subprocess.run([sys.executable, "-c", code, self.root], check=True)
        else:
            assert not ended(fork(lambda: self.recover(0)))
        now = snapshot(self.root)
        assert now in self.wanted, f"a mixture: {sorted(now.keys() ^ self.wanted[0].keys())}"
        assert not state(self.root) & {"stage", "journal.json"}, state(self.root)
        new = now != self.wanted[self.at]
        self.counts["new" if new else "old"] += killed
        self.at ^= new

    def recover(self, number: int) -> None:
        with at_call(number, die):
            folder = Folder(self.root)
            with folder.shared():  # a reader: it completes the journal,
                pass
            folder.recover()  # and a writer clears what was staged in vain

    def step(self, number: int) -> bool:
        """One write, killed at its ``number``th call; whether it got so far."""
        new = self.trees[1 - self.at]

        def work() -> None:
            with at_call(number, die, names=(*MAKING, "close")):
                Folder(self.root).replace(new)

        killed = ended(fork(work))
        self.settle(killed)
        self.counts["steps"] += killed
        return killed

    def strike(self) -> None:
        """Writes one after the other, killed from outside."""
        ready, signalled = os.pipe()

        def work() -> None:
            folder = Folder(self.root)
            turn = 1 - self.at
            os.write(signalled, b".")
            while True:
                folder.replace(self.trees[turn])
                turn = 1 - turn

        child = fork(work)
        os.read(ready, 1)
        time.sleep(self.chance.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        assert ended(child)
        os.close(ready)
        os.close(signalled)
        self.settle(True)
        self.counts["random"] += 1


def kill(root: str, strikes: str) -> None:
    killer = Killer(root)
    for turn in (0, 1):
        number = 1
        while killer.at != turn or killer.step(number):
            if killer.at != turn:
                Folder(root).replace(killer.trees[turn])
                killer.at = turn
            number += 1
    for _ in range(int(strikes)):
        killer.strike()
    Folder(root).replace(killer.trees[0])
    assert snapshot(root) == killer.wanted[0]
    print(json.dumps(killer.counts))


def stamps(folder: Folder) -> set[bytes]:
    """The first lines of all files there are."""
    found = (folder.read(path) for path in [*folder.listing("docker"), *folder.listing("locks")])
    return {data.split(b"\n")[0] for data in found if data}


def write(root: str, name: str, count: str) -> None:
    folder = Folder(root)
    for number in range(int(count)):
        with folder.locked():
            before = stamps(folder)
            assert len(before) <= 1, before
            folder.replace(tree(f"{name}-{number}", number))
            assert stamps(folder) == {f"{name}-{number}".encode()}


def read(root: str) -> None:
    seen: set[bytes] = set()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        with Folder(root).shared():
            now = stamps(Folder(root))
        assert len(now) <= 1, now
        seen |= now
    print(len(seen))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kill", root, strikes]:
            kill(root, strikes)
        case ["write", root, name, count]:
            write(root, name, count)
        case ["read", root]:
            read(root)
