"""`nox -s replay`: a year of updates of the reference family, month by month; writes bench/REPLAY.md.

Each month the cut-off moves, `lockgen update` runs in a clone with a bare remote, and everything that it opens is
merged. Then a judge that lockgen does not know (replay_judge.py) says whether the images of main work. Each month is
recorded when it ends, so `--continue` goes on after an interruption. The caches need some 15 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from replay_report import Held, Month, write_report
from uv import find_uv_bin

ROOT = Path(__file__).parent.parent
SCRATCH = Path.home() / ".cache/lockgen-replay"
LOCKGEN = [sys.executable, "-m", "lockgen", "--quiet"]
JUDGE = ROOT / "bench/replay_judge.py"
MODES = ("resolve", "imports")
OPENED = {"created", "refreshed", "unchanged"}
MOST_MERGES = 30
"""More merges in a month mean that updates go round in circles."""

JUDGED = {"all of cuda": "cuda/*.txt", "base-ml:cuda": "cuda/base-ml.txt", "all of cpu": "cpu/*.txt"}
"""The environments that the judge tries, with the files of their locks. A variant has one version of each package."""

_STUCK = re.compile(r"(\S+) (\d\S*): (.*)")
_CUT_OFF = re.compile(r"exclude-newer = (\d{4})-(\d\d)-(\d\d)T00:00:00Z")

POLICY = """\
# One update a month: the latest versions with which everything resolves, and runs.
[update]
base-images = false
prove = "{mode}"

[update.groups.all]
packages = ["*"]
partial = true
"""

REPLACED = (
    (r"\[index\.cu121\]\n(?:.+\n)*\n", ""),
    (r'index = "cu121"\n', ""),
    (
        r'torch = "2\.5\.1\+cu121", torchaudio = "2\.5\.1\+cu121"',
        'torch = { version = "2.5.1", held = true }, torchaudio = { version = "2.5.1", held = true }',
    ),
    (r"# `lockgen compat`(?s:.*)", ""),
)
"""What changes in the reference's versions.toml: torch of the default index, held, as 2.5.1 is the last on cu121."""


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def reference(mode: str, only: Sequence[str] = ()) -> str:
    """versions.toml of the reference family, as it is replayed; with ``only``, without all other stages."""
    text = (ROOT / "versions.toml").read_text()
    for pattern, replacement in REPLACED:
        text, count = re.subn(pattern, replacement, text)
        assert count == 1, f"versions.toml has changed: {pattern} matches {count} times"
    if only:
        parts = re.split(r"(?=^\[stages\.)", text, flags=re.MULTILINE)
        text = "".join(part for part in parts if not part.startswith("[stages.") or _stage(part) in only)
        text = _without_unused(text)
    return f"{text}\n{POLICY.format(mode=mode)}"


def _stage(part: str) -> str:
    return part.partition("[stages.")[2].partition("]")[0]


def _without_unused(text: str) -> str:
    """Without the pins of packages that no image requires: they would not move."""
    head, pins, rest = re.split(r"^(?=\[pins\])|^(?=\[common\])", text, flags=re.MULTILINE)
    kept = []
    for line in pins.splitlines(keepends=True):
        name = line.partition(" = ")[0].strip('"') if " = " in line else ""
        if not name or f'"{name}' in rest:
            kept.append(line)
    return head + "".join(kept) + rest


def months(start: datetime, end: datetime) -> list[datetime]:
    """The cut-offs: each a month after the one before, the last one is ``end``."""
    found: list[datetime] = []
    year, month = start.year, start.month
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        following = start.replace(year=year, month=month)
        if following >= end:
            return [*found, end]
        found.append(following)


def cut_off_of(text: str) -> datetime:
    found = _CUT_OFF.search(text)
    assert found is not None
    year, month, day = map(int, found.groups())
    return datetime(year, month, day, tzinfo=UTC)


@dataclass
class Replay:
    """One family that is updated month by month, in a clone of a bare repository."""

    mode: str
    scratch: Path
    only: Sequence[str] = ()
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.key = f"{self.mode}-{len(self.only) or 'all'}"
        self.folder = self.scratch / f"main-{self.key}"
        self.remote = self.scratch / f"remote-{self.key}.git"
        person = {f"GIT_{role}_{part}": "ada" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        self.environment = {
            **os.environ,
            **person,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "NO_COLOR": "1",
            "CI": "1",
            "UV_CACHE_DIR": str(self.scratch / "uv"),
            "LOCKGEN_CACHE_DIR": str(self.scratch / "lockgen"),
            "PYTHONPATH": str(ROOT),
        }

    # -- commands --------------------------------------------------------------

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the clone. Raises AssertionError with its output if it fails."""
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", "-c", "init.defaultBranch=main", *arguments).strip()

    def lockgen(self, *arguments: str) -> str:
        return self.run(*LOCKGEN, *arguments)

    # -- main ------------------------------------------------------------------

    def begin(self) -> None:
        """Make the remote and the clone, with the family as it is at the reference's cut-off."""
        for folder in (self.folder, self.remote):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for name in ("scripts", "shared"):
            # Images copy these folders.
            (self.folder / name).mkdir()
            (self.folder / name / "README").touch()
        self.run("git", "init", "-q", "--bare", "-b", "main", str(self.remote))
        self.git("init", "-q")
        self.git("remote", "add", "origin", str(self.remote))
        (self.folder / "versions.toml").write_text(reference(self.mode, self.only))
        self.lockgen("resolve")
        self.commit("Add the family")

    def reset(self, commit: str) -> None:
        """Make ``commit`` the head of main, and remove all other branches of the remote."""
        self.git("reset", "-q", "--hard", commit)
        self.git("clean", "-qfd")
        self.git("push", "-qf", "origin", "HEAD:main")
        for branch in self.git("ls-remote", "--heads", "origin").splitlines():
            name = branch.partition("refs/heads/")[2]
            if name != "main":
                self.git("push", "-q", "origin", "--delete", name)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "HEAD:main")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    # -- a month -----------------------------------------------------------------

    def update(self, cut_off: datetime, texts: Path | None = None) -> Month:
        """Move the cut-off, merge everything that `lockgen update` opens, and check. Not judged yet."""
        started = time.monotonic()
        path = self.folder / "versions.toml"
        path.write_text(_CUT_OFF.sub(f"exclude-newer = {cut_off:%Y-%m-%dT%H:%M:%SZ}", path.read_text()))
        self.lockgen("resolve")
        self.commit(f"Move the cut-off to {cut_off:%Y-%m-%d}")
        month = Month(self.mode, f"{cut_off:%Y-%m-%d}", only=list(self.only))
        held: dict[Held, None] = {}
        while True:
            opened = self._opened(held)
            month.updates += 1
            if opened is None:
                break
            self._merge(opened, month, texts)
        self.lockgen("check")
        month.held = list(held)
        month.seconds = round(time.monotonic() - started, 1)
        month.commit = self.head
        month.bytes_installed = self._installed()
        return month

    def _opened(self, held: dict[Held, None]) -> dict[str, Any] | None:
        """The first update that `lockgen update` opens; None if there is nothing left. Fills ``held``."""
        report = json.loads(self.lockgen("update", "--json", "--no-forge", "--no-audit"))
        groups: list[dict[str, Any]] = report["groups"]
        for group in groups:
            held.update(dict.fromkeys(held_of(group)))
        opened = [group for group in groups if group["outcome"] in OPENED]
        return opened[0] if opened else None

    def _merge(self, opened: dict[str, Any], month: Month, texts: Path | None) -> None:
        assert month.updates < MOST_MERGES, f"{opened['title']} is opened again and again"
        say(f"  {self.mode} {month.cut_off}: {opened['title']}")
        if texts is not None:
            _keep_text(opened, texts / f"{month.cut_off}-{self.key}-{month.updates}-{opened['group']}.md")
        month.moves += [f"{move['name']} {move['from']} -> {move['to']}" for move in opened["moves"]]
        self.git("fetch", "-q", "origin", opened["branch"])
        self.git("merge", "-q", "--ff-only", "FETCH_HEAD")
        self.git("push", "-q", "origin", "HEAD:main")
        # As a forge does it after a merge.
        self.git("push", "-q", "origin", "--delete", opened["branch"])

    def _installed(self) -> int:
        sizes = json.loads(self.lockgen("size", "--json"))
        layered = next(layout for layout in sizes["layouts"] if layout["layout"] == "layered")
        return int(layered["unique"]["installed"])

    # -- the judge ---------------------------------------------------------------

    def judge(self, month: Month) -> None:
        """Let the judge try the images of main; equal environments once."""
        started = time.monotonic()
        for name, files in JUDGED.items():
            month.judged[name] = self._verdict(self._requirements(files))
        month.judge_seconds = round(time.monotonic() - started, 1)

    def _requirements(self, files: str) -> str:
        """The requirements of all ``files``, each once."""
        found: dict[str, None] = {}
        for path in sorted((self.folder / "locks").glob(files)):
            text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
            found.update(dict.fromkeys(text.replace("\\\n", "").splitlines()))
        return "\n".join(found) + "\n"

    def _verdict(self, requirements: str) -> dict[str, str]:
        known = self.scratch / "judged" / f"{_digest(requirements)}.json"
        if not known.exists():
            known.parent.mkdir(parents=True, exist_ok=True)
            known.write_text(json.dumps(self._try(requirements)))
        found: dict[str, str] = json.loads(known.read_text())
        return found

    def _try(self, requirements: str) -> dict[str, str]:
        """Install ``requirements`` with hashes, and run the judge there."""
        place = self.scratch / f"environment-{self.key}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "requirements.txt").write_text(requirements)
        uv = [str(find_uv_bin()), "-q"]
        if not (place / "venv").exists():
            self.run(*uv, "venv", "--python", "3.11", str(place / "venv"))
        python = str(place / "venv/bin/python")
        self.run(*uv, "pip", "sync", "--python", python, "--require-hashes", str(place / "requirements.txt"))
        # Bytecode of unchanged packages serves the next month.
        extra = {"PYTHONPYCACHEPREFIX": str(place / "bytecode"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        plain = {name: value for name, value in self.environment.items() if not name.startswith("PYTHON")}
        done = subprocess.run([python, str(JUDGE)], env={**plain, **extra}, cwd=place, capture_output=True, text=True)
        if done.returncode != 0:
            return {"judge": f"exit code {done.returncode}: {done.stderr[-300:]}"}
        found: dict[str, str] = json.loads(done.stdout)
        return found


def _keep_text(opened: dict[str, Any], path: Path) -> None:
    """Write the text of a pull request to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {opened['title']}\n\n{opened['body']}")


def _digest(requirements: str) -> str:
    """A digest of what the judge sees: the packages, and the judge itself."""
    return hashlib.sha256((requirements + JUDGE.read_text()).encode()).hexdigest()[:32]


def held_of(group: dict[str, Any]) -> Iterable[Held]:
    """The versions that a group did not move to, with the reason, as its report says it."""
    found: list[Held] = []
    for line in (group["why"] or "").splitlines():
        named = _STUCK.match(line)
        if named is not None:
            found.append(Held(*named.groups()))
        elif found:
            found[-1] = found[-1]._replace(why=f"{found[-1].why} {line.strip()}")
        else:
            found.append(Held(group["group"], group["outcome"], line))
    found += [Held(bound["package"], bound["does-not-run"], bound["reason"]) for bound in group["bounds"]]
    return found


# -- records ----------------------------------------------------------------------


def records(path: Path) -> list[Month]:
    if not path.exists():
        return []
    return [Month.read(json.loads(line)) for line in path.read_text().splitlines()]


def record(path: Path, month: Month) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(month)) + "\n")


def replay(mode: str, scratch: Path, only: Sequence[str], known: Sequence[Month], last: int | None) -> None:
    """Go through the months that are not ``known``, at most ``last`` of them."""
    path = scratch / "months.jsonl"
    here = Replay(mode, scratch, only)
    if known:
        here.reset(known[-1].commit)
    else:
        here.begin()
        start = Month(mode, f"{cut_off_of(reference(mode)):%Y-%m-%d}", commit=here.head, only=list(only))
        start.bytes_installed = here._installed()
        here.judge(start)
        record(path, start)
        known = [start]
    cut_offs = months(cut_off_of(reference(mode)), datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    for cut_off in cut_offs[len(known) - 1 : last]:
        before = here.head
        month = here.update(cut_off, scratch / "texts")
        here.judge(month)
        # Once more, with everything in the caches. It must give the same files.
        here.reset(before)
        again = here.update(cut_off)
        month.again_seconds = again.seconds
        month.is_same_again = again.moves == month.moves
        here.reset(month.commit)
        record(path, month)
        broken = ", ".join(f"{image} {check}" for image, check in month.broken) or "works"
        say(f"{mode} {month.cut_off}: {len(month.moves)} moves, {month.seconds} s, again {again.seconds} s; {broken}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--continue", action="store_true", dest="goes_on", help="keep the months that are recorded")
    parser.add_argument("--prove", choices=MODES, action="append", help="only this mode (default: both)")
    parser.add_argument("--months", type=int, help="only the first months")
    parser.add_argument("--stages", nargs="+", default=[], help="only these stages, with a record of their own")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="caches, clones and records")
    options = parser.parse_args()
    path = options.scratch / "months.jsonl"
    options.scratch.mkdir(parents=True, exist_ok=True)
    if not options.goes_on:
        path.unlink(missing_ok=True)
    for mode in options.prove or MODES:
        known = [month for month in records(path) if month.mode == mode and month.only == options.stages]
        replay(mode, options.scratch, options.stages, known, options.months)
    write_report(ROOT / "bench/REPLAY.md", records(path))


if __name__ == "__main__":
    main()
