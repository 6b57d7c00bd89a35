"""The text of a pull request: complete, byte for byte, and with hostile names and explanations.

`pytest tests/update --accept` updates the expected texts; review the diff.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from lockgen.core import markdown
from lockgen.core.sizes import Bytes, Weight
from lockgen.core.update_policy import VersionStep
from lockgen.diff.model import Change, Changes, ImageChange, PackageChange
from lockgen.index.model import ReleaseNotes
from lockgen.update import commit_message as commits
from lockgen.update import pull_request_text as rendering
from lockgen.update import render as updates
from lockgen.update.model import CellChange, Head, KnownVulnerability, MovedPin, PullRequestContent, Stuck, Waiting

TEXTS = Path(__file__).parent / "texts"

MOVES = (
    MovedPin("torch", "2.4.1+cu121", "2.5.1+cu121", step="minor"),
    MovedPin("torchaudio", "2.4.1+cu121", "2.5.1+cu121", step="minor"),
    MovedPin("speech", "1.0", "1.1", step="minor", uploaded=datetime(2025, 2, 1, 23, 30, tzinfo=UTC)),
)
CHANGES = (
    Change("torch", "up", "2.4.1+cu121", "2.5.1+cu121", "cu121", "cu121"),
    Change("torchaudio", "up", "2.4.1+cu121", "2.5.1+cu121", "cu121", "cu121"),
    Change("triton", "up", "3.0.0", "3.1.0"),
)
UNKNOWN = frozenset({"torch==2.5.1+cu121"})
WEAK = KnownVulnerability(
    "torch",
    "CVE-2025-32434",
    (Version("2.5"),),
    "https://osv.dev/vulnerability/GHSA-1",
    level="critical",
    summary="torch.load runs code, even with `weights_only`",
)
STAYS = KnownVulnerability(
    "torch",
    "CVE-2025-3730",
    (Version("2.4.2"), Version("2.8")),
    "https://osv.dev/vulnerability/GHSA-2",
    level="moderate",
)
NEW = KnownVulnerability(
    "speech", "CVE-2026-1", (), "https://osv.dev/vulnerability/GHSA-3", level="high", summary="it listens"
)
FULL = PullRequestContent(
    group="torch",
    moves=MOVES,
    changes=Changes(
        packages=tuple(PackageChange(change, ("cuda",)) for change in CHANGES),
        images=(ImageChange("asr", "cuda", CHANGES), ImageChange("vad", "cuda", CHANGES[:2])),
    ),
    weights=(
        Weight("asr:cuda", Bytes(2_900_000_000, 5_200_000_000), Bytes(2_950_000_000, 5_312_000_000)),
        Weight("vad:cuda", None, Bytes(1_800_000_000, 4_100_000_000)),
        Weight("ner:cpu", Bytes(9_000_000, 3_000_000, UNKNOWN), Bytes(9_100_000, 3_200_000, UNKNOWN)),
        Weight("tts:cuda", Bytes(9_000_000, 3_000_000, UNKNOWN), Bytes(9_100_000, 3_200_000, frozenset({"torch 2.4"}))),
    ),
    cells=(
        CellChange("python=3.11 variant=cuda", "ml:cuda", "yes", "yes"),
        CellChange("python=3.12 variant=cuda", "ml:cuda", "yes", "no", "whisperx 3.3.1 wants Python <3.12"),
    ),
    fixed=(WEAK,),
    links=(ReleaseNotes("triton", "Release notes", "https://github.com/triton-lang/triton/releases"),),
    stuck=(
        Stuck("numpy", "3.0", "speech 1.0 (required by asr) requires numpy<3"),
        Stuck("speech", "2.0", "\n".join(f"speech 2.0 needs part-{n}" for n in range(33)), instead="1.1"),
    ),
    remaining=(STAYS,),
    introduced=(NEW,),
    project="images/voices",
)
SMALL = PullRequestContent("numpy", (MovedPin("numpy", "1.0", "1.1"),), Changes())
BASES = PullRequestContent(
    "base-images",
    (
        MovedPin(
            "python", f"3.11.4-slim@sha256:{'a' * 64}", f"3.11.9-slim@sha256:{'b' * 64}", "base", ("cpu",), "3.11.9"
        ),
        MovedPin(
            "nvidia/cuda", "12.1.0-base-ubuntu22.04", "12.1.1-base-ubuntu22.04", "base", ("cuda", "slow"), "12.1.1"
        ),
    ),
    Changes(),
    rebuilt=("asr:cuda", "asr:slow", "ner:cpu"),
)
DIGEST = replace(
    BASES,
    moves=(
        MovedPin("python", f"3.11-slim@sha256:{'a' * 64}", f"3.11-slim@sha256:{'b' * 64}", "base", ("cpu",), "3.11"),
    ),
)
TWO_TAGS = replace(
    BASES,
    moves=(
        MovedPin("python", "3.11.4-slim", "3.11.9-slim", "base", ("cpu",), "3.11.9"),
        MovedPin("python", "3.11.5-slim", "3.11.9-slim", "base", ("slow",), "3.11.9"),
    ),
)
TWO_TORCHES = PullRequestContent(
    "torch",
    (MovedPin("torch", "2.5.1+cu121", "2.6.0+cu121"), MovedPin("torch", "2.5.1+cpu", "2.6.0+cpu")),
    Changes(),
)
OWN = PullRequestContent("numpy-slow", (MovedPin("numpy", "0.5", "0.6", variants=("slow",)),), Changes())
MANY = replace(
    SMALL, group="all", moves=tuple(MovedPin(f"package-{n}", "1.0", f"2.{n}", step="major") for n in range(12))
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("full", FULL),
        ("small", SMALL),
        ("many", MANY),
        ("bases", BASES),
        ("digest", DIGEST),
        ("tags", TWO_TAGS),
        ("torches", TWO_TORCHES),
        ("own", OWN),
    ],
)
def test_the_complete_text(name: str, content: PullRequestContent, pytestconfig: pytest.Config) -> None:
    text = f"{rendering.title(content)}\n\n{rendering.body(content, 'c' * 40, 'feed')}"
    path = TEXTS / f"{name}.md"
    if pytestconfig.getoption("--accept"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (SMALL, "update numpy 1.0 -> 1.1"),
        (replace(FULL, fixed=()), "update torch 2.5.1+cu121, torchaudio 2.5.1+cu121, speech 1.1"),
        (FULL, "security: update torch 2.5.1+cu121, torchaudio 2.5.1+cu121, speech 1.1"),
        (TWO_TORCHES, "update torch 2.5.1 -> 2.6.0"),
        (TWO_TAGS, "update python 3.11.9-slim"),
        (BASES, "update python 3.11.9-slim@bbbbbbbbbbbb, nvidia/cuda 12.1.1-base-ubuntu22.04"),
        (
            replace(BASES, moves=BASES.moves[1:]),
            "update nvidia/cuda 12.1.0-base-ubuntu22.04 -> 12.1.1-base-ubuntu22.04",
        ),
        (OWN, "update numpy 0.5 -> 0.6 (slow)"),
    ],
)
def test_the_title_names_the_moves(content: PullRequestContent, title: str) -> None:
    assert rendering.title(content) == title


def test_a_long_title_is_cut_at_a_word() -> None:
    title = rendering.title(MANY)
    assert title.startswith("update all: 12 packages (package-0 2.0, ")
    assert len(title) <= rendering.TITLE_LENGTH
    assert title.endswith("…")


def test_a_long_title_begins_with_the_biggest_step() -> None:
    steps: tuple[tuple[str, VersionStep | None], ...] = (
        ("a", None),
        ("b", "patch"),
        ("c", "major"),
        ("d", "minor"),
        ("e", "patch"),
    )
    moves = tuple(MovedPin(name, "1.0", "2.0", step=step) for name, step in steps)
    assert rendering.title(replace(SMALL, group="all", moves=moves)) == (
        "update all: 5 packages (c 2.0, d 2.0, b 2.0, e 2.0, a 2.0)"
    )


def test_torch_for_two_accelerators_is_one_request_and_one_entry() -> None:
    assert rendering.reproduce(TWO_TORCHES.moves) == "lockgen bump torch==2.6.0"
    assert ignored(TWO_TORCHES) == [{"package": "torch", "versions": ">=2.6.0"}]
    assert rendering.reproduce(TWO_TORCHES.moves[:1]) == "lockgen bump torch==2.6.0+cu121"


def ignored(content: PullRequestContent) -> list[dict[str, str]]:
    """The ignore entries that a text recommends, parsed as part of [update]."""
    snippet = re.search(r"```toml\n(.*?)```", rendering.body(content, "c" * 40, "feed"), re.DOTALL)
    assert snippet is not None
    return list(tomllib.loads(f"[update]\n{snippet[1]}")["update"]["ignore"])


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (TWO_TAGS, [{"base-image": "python", "versions": ">=3.11.9"}]),
        (DIGEST, [{"base-image": "python"}]),
        (OWN, [{"package": "numpy", "variant": "slow", "versions": ">=0.6"}]),
        (FULL, [{"package": "torch", "versions": ">=2.5.1"}, {"package": "speech", "versions": ">=1.1"}]),
    ],
)
def test_the_ignore_entries_match_exactly_the_moves(content: PullRequestContent, entries: list[dict[str, str]]) -> None:
    assert ignored(content) == entries


def test_ignoring_a_digest_says_that_it_ignores_the_whole_image() -> None:
    assert "this ignores every update of `python`." in rendering.body(DIGEST, "c" * 40, "feed")
    assert "ignores every" not in rendering.body(BASES, "c" * 40, "feed")


PASSED = Stuck("numpy", "2.0", "speech 1.0 requires numpy<2", instead="1.1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SMALL, "This is the latest release that is compatible with the family and allowed by [update]. 0 images"),
        (replace(SMALL, stuck=(PASSED,)), "to 1.1. A later version is not compatible: see below. 0 images"),
        (
            replace(SMALL, stuck=(PASSED,), fixed=(WEAK,)),
            "and allowed by [update]. A later version is not compatible: see below.",
        ),
        (
            replace(FULL, fixed=(), stuck=(PASSED,), introduced=()),
            "to 1.1. A later `numpy` is not compatible: see below.",
        ),
        (replace(SMALL, stuck=(Stuck("speech", "2.0", "no"),)), "This is the latest release that is"),
        (
            replace(SMALL, introduced=(NEW, NEW)),
            "**Warning: the new versions have 2 known vulnerabilities, see below.**",
        ),
    ],
)
def test_the_first_sentences_are_true(content: PullRequestContent, said: str) -> None:
    assert said in rendering.body(content, "c" * 40, "feed").split("\n\n", 1)[0]


def test_an_older_version_is_not_named_as_a_fix() -> None:
    text = rendering.body(FULL, "c" * 40, "feed")
    assert "GHSA-2), moderate, fixed in 2.8" in text
    everywhere = replace(STAYS, fixed=(Version("2.4.2"),))
    assert "fixed in" not in rendering.body(replace(FULL, remaining=(everywhere,)), "c" * 40, "feed")


def test_a_folder_name_is_quoted_for_the_shell() -> None:
    hostile = "a b; `rm`\n```\nc"
    text = rendering.body(replace(SMALL, project=hostile, base="a;b"), "c" * 40, "feed")
    block = re.search(r"^(`{3,})sh\n(.*?)^\1$", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert shlex.split(block[2])[:5] == ["git", "switch", "a;b", "cd", hostile]


def test_a_pin_of_two_tables_is_listed_once() -> None:
    twice = replace(SMALL, moves=SMALL.moves * 2)
    assert rendering.title(twice) == rendering.title(SMALL)
    assert rendering.reproduce(twice.moves) == "lockgen bump numpy==1.1"


HOSTILE = "@everyone #1 <img src=x> [x](https://evil.example) | `x` \n## y <!-- lockgen-update commit="


def test_text_from_outside_never_becomes_markdown_a_mention_or_a_marker() -> None:
    content = replace(
        FULL,
        stuck=(Stuck("numpy", HOSTILE, f"```\n{HOSTILE}\n````"),),
        links=(ReleaseNotes("triton", HOSTILE, "https://ok.example/a"), ReleaseNotes("x", "y", "javascript:alert(1)")),
        fixed=(KnownVulnerability("torch", HOSTILE, (), "https://user@evil.example/"),),
        cells=(CellChange(HOSTILE, "ml:cuda", "yes", "no", HOSTILE),),
    )
    text = rendering.body(content, "c" * 40, "feed")
    assert rendering.marks(text) == ("c" * 40, "feed")
    prose = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "@everyone" not in prose
    assert "(https://evil.example)" not in prose
    assert "javascript" not in text
    assert "user@evil" not in text
    assert "<img" not in re.sub(r"\\<", "", prose)
    assert not re.search(r"^## y", prose, re.MULTILINE)
    rows = [line for line in prose.splitlines() if line.startswith("| ") and "everyone" in line]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert rows


def test_a_forged_marker_in_an_explanation_is_ignored() -> None:
    forged = rendering.mark("d" * 40, "bad")
    text = rendering.body(replace(FULL, stuck=(Stuck("numpy", "3", forged),)), "c" * 40, "feed")
    assert rendering.marks(text) == ("c" * 40, "feed")


HEADINGS = ("Updates", "Not updated", "Changes by image", "Compatibility", "Reproduce", "Skip this update")


@pytest.mark.parametrize(
    ("lines", "width"), [(25, 5000), (29, 400), (1, 90_000), (25, 100)], ids=["wide", "many", "one line", "short"]
)
def test_a_long_text_keeps_every_section_and_the_instructions(lines: int, width: int) -> None:
    why = "\n".join("x" * width for _ in range(lines))
    moves = tuple(MovedPin(f"package-{n}", "1.0", "2.0") for n in range(300))
    content = replace(FULL, moves=moves, stuck=tuple(Stuck(f"p{n}", "2.0", why) for n in range(20)))
    text = rendering.body(content, "c" * 40, "feed")
    assert len(text) < 65_536
    assert all(f"### {heading}" in text for heading in HEADINGS)
    assert " package-299==2.0" in text
    assert len(ignored(content)) == 300
    assert rendering.marks(text) == ("c" * 40, "feed")
    assert len(re.findall(r"^`{3}", text, re.MULTILINE)) % 2 == 0
    assert re.search(r"^… and \d+ more lines of this section, which is too long\.$", text, re.MULTILINE)


def test_a_short_section_is_not_cut_because_another_is_long() -> None:
    long = replace(FULL, stuck=(Stuck("numpy", "3.0", "\n".join("x" * 5000 for _ in range(25))),))
    whole, cut = (rendering.body(content, "c" * 40, "feed").split("\n### ") for content in (FULL, long))
    assert [part for part in cut if "too long" in part] == [part for part in cut if part.startswith("Not updated")]
    tables = ("Updates\n", "Sizes", "Compatibility", "Reproduce")
    assert [part for part in cut if part.startswith(tables)] == [part for part in whole if part.startswith(tables)]


def test_a_long_explanation_says_how_much_was_cut() -> None:
    assert markdown.explanation("\n".join(map(str, range(100))))[-3:] == ["29", "… and 70 more lines", "```"]
    assert markdown.explanation("\n".join(map(str, range(31))))[-2] == "… and 1 more line"
    assert markdown.explanation("\n".join(map(str, range(30))))[-2] == "29"


def test_any_change_breaks_the_seal() -> None:
    message = commits.update_message(SMALL, "key", "moves", ".", "t" * 40, "p" * 40)
    head = Head("c" * 40, "t" * 40, ("p" * 40,), message)
    made = commits.read_sealed(head)
    assert made is not None
    assert (made.project, made.group, made.key, made.moves) == (".", "numpy", "key", "moves")
    for changed in (
        replace(head, tree="u" * 40),
        replace(head, parents=("q" * 40,)),
        replace(head, parents=("p" * 40, "q" * 40)),
        replace(head, parents=()),
        replace(head, message=message.replace("numpy", "scipy", 1)),
        replace(head, message="x" + message),
        replace(head, message=message + "Co-authored-by: me\n"),
        replace(head, message="update numpy\n"),
        replace(head, message=""),
    ):
        assert commits.read_sealed(changed) is None


def test_the_close_reason_is_added_once() -> None:
    once = rendering.closed_text("words", "Superseded: @x")
    assert rendering.closed_text(once, "Superseded: @x") == once
    assert rendering.CLOSED in once
    assert "@x" not in once


def test_held_back_releases_are_one_line_per_reason() -> None:
    newer = [Waiting("hub", f"1.{n}", "newer than [family] exclude-newer") for n in range(60, 0, -1)]
    waiting = [*newer, Waiting("hub", "0.9", "cooldown of 7 days until 2026-12-01"), Waiting("rich", "2", "ignored")]
    assert updates.text([], waiting, bodies=False) == (
        "held back\n"
        "  hub 1.60 and 59 older ones, to 1.1: newer than [family] exclude-newer\n"
        "  hub 0.9: cooldown of 7 days until 2026-12-01\n"
        "  rich 2: ignored\n"
    )
