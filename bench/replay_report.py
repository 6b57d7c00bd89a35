"""The records of `nox -s replay`, and bench/REPLAY.md from them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from measuring import machine

_LONGEST = 220


class Held(NamedTuple):
    """A version that was not taken, or a group with the outcome of its update, and why."""

    name: str
    version: str
    why: str


@dataclass
class Month:
    """One step. ``seconds`` is the time of moving the cut-off, all runs of `update`, the merges and `check`.

    ``judged`` is what is wrong with each image, by image and check; ``commit`` the head of main at the end.
    ``again_seconds`` is the same step once more, with everything in the caches.
    """

    mode: str
    cut_off: str
    commit: str = ""
    only: list[str] = field(default_factory=list)
    updates: int = 0
    seconds: float = 0.0
    again_seconds: float = 0.0
    judge_seconds: float = 0.0
    is_same_again: bool = True
    bytes_installed: int = 0
    moves: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    judged: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, data: dict[str, Any]) -> Month:
        return cls(**{**data, "held": [Held(*one) for one in data["held"]]})

    @property
    def title(self) -> str:
        """The mode, and the stages if not all are there."""
        return f"`{self.mode}`, {', '.join(self.only)}" if self.only else f"`{self.mode}`, all images"

    @property
    def broken(self) -> list[tuple[str, str]]:
        """The checks that fail: images and checks."""
        found = []
        for image, results in self.judged.items():
            found += [(image, check) for check, wrong in results.items() if wrong]
        return found


def write_report(path: Path, months: Sequence[Month]) -> None:
    path.write_text("\n".join(_report(months)) + "\n")


def _report(months: Sequence[Month]) -> Iterator[str]:
    found: dict[str, list[Month]] = {}
    for month in months:
        found.setdefault(month.title, []).append(month)
    yield from _HEAD.splitlines()
    yield ""
    yield f"Code: commit {_commit()}; machine: {machine()}, shared with other work."
    yield ""
    yield from _totals(found)
    for title, of_title in found.items():
        yield ""
        yield from _mode(title, of_title)


def _commit() -> str:
    words = ["git", "log", "-1", "--format=%h", "--", "lockgen"]
    return subprocess.run(
        words, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    ).stdout.strip()


def _totals(found: Mapping[str, Sequence[Month]]) -> Iterator[str]:
    yield "| prove | months | moves | held | broken mains | seconds, first run | seconds, again | most in a month, again |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for title, months in found.items():
        steps = months[1:]
        held = {(one.name, one.version) for month in steps for one in month.held}
        cells = [
            title,
            str(len(steps)),
            str(sum(len(month.moves) for month in steps)),
            str(len(held)),
            str(sum(bool(_new(months[: at + 1], month)) for at, month in enumerate(steps))),
            f"{sum(month.seconds for month in steps):.0f}",
            f"{sum(month.again_seconds for month in steps):.0f}",
            f"{max((month.again_seconds for month in steps), default=0):.0f}",
        ]
        yield _row(cells)


def _mode(title: str, months: Sequence[Month]) -> Iterator[str]:
    first, *steps = months
    yield f"## {title}"
    yield ""
    known = _named(first.broken) or "nothing"
    yield f"At the reference's cut-off ({first.cut_off}) the judge finds broken: {known}."
    yield ""
    yield "| cut-off | moves | runs of `update` | main | seconds | again | installed |"
    yield "|---|---:|---:|---|---:|---:|---:|"
    yield _row([first.cut_off, "-", "-", "start", "-", "-", _gigabytes(first.bytes_installed)])
    for at, month in enumerate(steps):
        new = _new(months[: at + 1], month)
        main = "works" if not new else f"**broken**: {_named(new)}"
        again = f"{month.again_seconds:.0f}" + ("" if month.is_same_again else " (other moves)")
        numbers = [str(len(month.moves)), str(month.updates), main, f"{month.seconds:.0f}", again]
        yield _row([month.cut_off, *numbers, _gigabytes(month.bytes_installed)])
    yield ""
    yield from _details(first, steps)


def _details(first: Month, steps: Sequence[Month]) -> Iterator[str]:
    known: set[tuple[str, str]] = set()
    for at, month in enumerate(steps):
        yield f"* {month.cut_off}: {', '.join(month.moves) or 'no moves'}"
        # Most versions are held for months: each is listed once.
        fresh = [one for one in month.held if (one.name, one.version) not in known]
        known.update((one.name, one.version) for one in month.held)
        for one in fresh:
            yield f"  * held: {one.name} {one.version}: {_short(one.why)}"
        for image, check in _new([first, *steps[:at]], month):
            yield f"  * broken: {image}: `{check}`: {_short(month.judged[image][check])}"
        mended = [pair for pair in first.broken if month.judged and pair not in month.broken]
        if mended:
            yield f"  * works, unlike at the start: {_named(mended)}"


def _new(before: Sequence[Month], month: Month) -> list[tuple[str, str]]:
    """The checks that fail, and passed in a month before."""
    return [
        (image, check)
        for image, check in month.broken
        if any(one.judged.get(image, {}).get(check) == "" for one in before)
    ]


def _named(broken: Iterable[tuple[str, str]]) -> str:
    images: dict[str, list[str]] = {}
    for image, check in broken:
        images.setdefault(image, []).append(f"`{check}`")
    return "; ".join(f"{image} ({', '.join(checks)})" for image, checks in images.items())


def _short(text: str) -> str:
    text = text.replace("\\", "").replace("|", "\\|")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """\
# A year of updates, replayed

Written by `nox -s replay`: from the reference family's cut-off, a step for each month until today. Each step moves the cut-off,
runs `lockgen update` in a clone with a bare remote, merges what it opens, and runs it again until nothing is open. Then `lockgen check`
must pass. This is done once with `[update] prove = "resolve"` and once with `prove = "imports"`.

* Then a judge that lockgen does not know (`bench/replay_judge.py`) installs locks with their hashes: those of all images of
  a variant together, and that of base-ml, on which most images are built. It uses the packages: it builds and runs a tiny BERT and a tiny Whisper model, trains one step, resamples a generated sound, and
  more. A main is *broken* if a check fails that passed in a month before.
* The policy has one group with all packages, and `partial = true`: what can move moves together. Nobody adds an `ignore` that a
  pull request proposes, so each month finds its bounds again.
* The CUDA index of the reference is replaced by the default index: its torch 2.5.1 stands in for torch 2.5.1+cu121, with CUDA 12.4
  instead of 12.1. torch and torchaudio are held, because 2.5.1 is the last version on cu121. There is no GPU.
* Which images are there stands in the first column: with `--stages`, a part of the family is replayed (CPU time for running images is
  most of the cost). What both columns of a mode share can be compared, seconds of different parts cannot.
* There is no `[compat]`. Base images stay, and no advisories are read.
* *Seconds* are wall time of the first run, with downloads and the first run of each image; *again* is the same month repeated with
  everything in the caches. The judge's time is not included. *Installed* are the bytes of all layers of the family (`lockgen size`)."""
