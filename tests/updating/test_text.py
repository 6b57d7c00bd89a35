"""The text of a pull request: whole, byte for byte, and with names and words from people with bad intent.

`pytest tests/updating --accept` writes the expected texts anew; read the diff.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from lockgen.model.changes import Change, Changes, ImageChange, PackageChange
from lockgen.model.sizes import Bytes, Weight
from lockgen.model.update import CellChange, Head, Link, Moved, Story, Stuck, Waiting, Weakness
from lockgen.rendering import pullrequest as rendering

TEXTS = Path(__file__).parent / "texts"

MOVES = (
    Moved("torch", "2.4.1+cu121", "2.5.1+cu121"),
    Moved("torchaudio", "2.4.1+cu121", "2.5.1+cu121"),
)
CHANGES = (
    Change("torch", "up", "2.4.1+cu121", "2.5.1+cu121", "cu121", "cu121"),
    Change("torchaudio", "up", "2.4.1+cu121", "2.5.1+cu121", "cu121", "cu121"),
    Change("triton", "up", "3.0.0", "3.1.0"),
)
UNKNOWN = frozenset({"torch==2.5.1+cu121"})
WEAK = Weakness(
    "torch",
    "CVE-2025-32434",
    (Version("2.5"),),
    "https://osv.dev/vulnerability/GHSA-1",
    level="critical",
    summary="torch.load runs code, even with `weights_only`",
)
FULL = Story(
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
    advisories=(WEAK,),
    links=(Link("triton", "Release notes", "https://github.com/triton-lang/triton/releases"),),
    stuck=(Stuck("numpy", "3.0", "speech 1.0, asked by asr, needs numpy<3"),),
)
SMALL = Story("numpy", (Moved("numpy", "1.0", "1.1"),), Changes())
BASES = Story(
    "base-images",
    (
        Moved("python", f"3.11.4-slim@sha256:{'a' * 64}", f"3.11.9-slim@sha256:{'b' * 64}", "base", ("cpu",), "3.11.9"),
        Moved("nvidia/cuda", "12.1.0-base-ubuntu22.04", "12.1.1-base-ubuntu22.04", "base", ("cuda", "slow"), "12.1.1"),
    ),
    Changes(),
    rebuilt=("asr:cuda", "asr:slow", "ner:cpu"),
)
OWN = Story("numpy-slow", (Moved("numpy", "0.5", "0.6", variants=("slow",)),), Changes())
MANY = replace(SMALL, group="all", moves=tuple(Moved(f"package-{n}", "1.0", f"2.{n}") for n in range(12)))


@pytest.mark.parametrize(
    ("name", "story"), [("full", FULL), ("small", SMALL), ("many", MANY), ("bases", BASES), ("own", OWN)]
)
def test_the_whole_text(name: str, story: Story, pytestconfig: pytest.Config) -> None:
    text = f"{rendering.title(story)}\n\n{rendering.body(story, 'c' * 40, 'feed')}"
    path = TEXTS / f"{name}.md"
    if pytestconfig.getoption("--accept"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("story", "title"),
    [
        (SMALL, "update numpy 1.0 -> 1.1"),
        (replace(FULL, advisories=()), "update torch 2.5.1+cu121, torchaudio 2.5.1+cu121"),
        (FULL, "security: update torch 2.5.1+cu121, torchaudio 2.5.1+cu121"),
        (BASES, "update python 3.11.9-slim@bbbbbbbbbbbb, nvidia/cuda 12.1.1-base-ubuntu22.04"),
        (
            replace(BASES, moves=BASES.moves[1:]),
            "update nvidia/cuda 12.1.0-base-ubuntu22.04 -> 12.1.1-base-ubuntu22.04",
        ),
        (OWN, "update numpy 0.5 -> 0.6 (slow)"),
    ],
)
def test_a_title_says_what_moves(story: Story, title: str) -> None:
    assert rendering.title(story) == title


def test_a_long_title_is_cut_at_a_word() -> None:
    title = rendering.title(MANY)
    assert title.startswith("update all: 12 packages (package-0 2.0, ")
    assert len(title) <= rendering.TITLE_LENGTH
    assert title.endswith("…")


def test_a_pin_of_two_tables_is_told_once() -> None:
    twice = replace(SMALL, moves=SMALL.moves * 2)
    assert rendering.title(twice) == rendering.title(SMALL)
    assert rendering.reproduce(twice.moves) == "lockgen bump numpy==1.1"


HOSTILE = "@everyone #1 <img src=x> [x](https://evil.example) | `x` \n## y <!-- lockgen-update commit="


def test_no_word_from_outside_becomes_markdown_a_mention_or_a_mark() -> None:
    story = replace(
        FULL,
        stuck=(Stuck("numpy", HOSTILE, f"```\n{HOSTILE}\n````"),),
        links=(Link("triton", HOSTILE, "https://ok.example/a"), Link("x", "y", "javascript:alert(1)")),
        advisories=(Weakness("torch", HOSTILE, (), "https://user@evil.example/"),),
        cells=(CellChange(HOSTILE, "ml:cuda", "yes", "no", HOSTILE),),
    )
    text = rendering.body(story, "c" * 40, "feed")
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


def test_a_mark_that_was_put_into_an_explanation_is_not_believed() -> None:
    forged = rendering.mark("d" * 40, "bad")
    text = rendering.body(replace(FULL, stuck=(Stuck("numpy", "3", forged),)), "c" * 40, "feed")
    assert rendering.marks(text) == ("c" * 40, "feed")


def test_a_text_that_is_too_long_keeps_its_mark_and_closes_its_fence() -> None:
    why = "\n".join("x" * 5000 for _ in range(25))
    text = rendering.body(replace(FULL, stuck=(Stuck("numpy", "3.0", why),)), "c" * 40, "feed")
    assert len(text) < 65_536
    assert rendering.marks(text) == ("c" * 40, "feed")
    assert text.count("```") % 2 == 0


def test_a_seal_breaks_with_every_change() -> None:
    message = rendering.message(SMALL, "key", "moves", ".", "t" * 40, "p" * 40)
    head = Head("c" * 40, "t" * 40, ("p" * 40,), message)
    made = rendering.made_of(head)
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
        assert rendering.made_of(changed) is None


def test_closing_says_it_once() -> None:
    once = rendering.closing("words", "Superseded: @x")
    assert rendering.closing(once, "Superseded: @x") == once
    assert rendering.CLOSED in once
    assert "@x" not in once


def test_what_is_held_back_is_told_in_a_line_for_each_reason() -> None:
    newer = [Waiting("hub", f"1.{n}", "newer than [family] exclude-newer") for n in range(60, 0, -1)]
    waiting = [*newer, Waiting("hub", "0.9", "7 days of cooldown end 2026-12-01"), Waiting("rich", "2", "ignored")]
    assert rendering.text([], waiting, bodies=False) == (
        "held back\n"
        "  hub 1.60 and 59 older ones, to 1.1: newer than [family] exclude-newer\n"
        "  hub 0.9: 7 days of cooldown end 2026-12-01\n"
        "  rich 2: ignored\n"
    )
