"""Short reasons from the explanation of a resolver."""

from __future__ import annotations

import pytest

from lockgen.conflicts.model import Constraint
from lockgen.conflicts.reasons import short_reason, through


def pin(text: str) -> Constraint:
    return Constraint(text.partition("==")[0], "pin", text, ("pins", text.partition("==")[0]))


@pytest.mark.parametrize(
    ("pins", "words", "reason"),
    [
        (
            ["whisperx==3.4.3", "torch==2.1.0+cu121"],
            "Because whisperx==3.4.3 depends on torch>=2.5.1 and the family depends on whisperx==3.4.3, we can",
            "whisperx 3.4.3 requires torch>=2.5.1, but torch is 2.1.0+cu121",
        ),
        (
            ["speech==0.9", "torch==2.5.1+cu121"],
            "Because speech<=0.9 depends on torch<2.5 and the family depends on speech==0.9,\nwe can conclude",
            "speech 0.9 requires torch<2.5, but torch is 2.5.1+cu121",
        ),
        (
            ["torchaudio==2.4.1+cu121", "torch==2.5.1+cu121"],
            "Because torchaudio<=2.4.1+cu121 depends on torch==2.4.1 and ...",
            "torchaudio 2.4.1+cu121 requires torch==2.4.1, but torch is 2.5.1+cu121",
        ),
        (
            ["torch==2.1.0"],
            "Because whisperx==3.2.0 depends on torch>=2.2, and all of: other>=2,<3 depend on torch>=2.3",
            "whisperx 3.2.0 requires torch>=2.2, but torch is 2.1.0",
        ),
        (
            ["numpy==2.3.4"],
            "Because numpy==2.3.4 has no usable wheels and the family depends on numpy==2.3.4,"
            " we can conclude that your requirements are unsatisfiable.",
            "numpy 2.3.4 has no wheel for the target",
        ),
        (["a==1", "b==1"], "because of c", "a==1 with b==1: because of c"),
        (
            ["b==1"],
            "b>=2 depends on a<1, and b==1 depends on b>=3",
            "b==1: b>=2 depends on a<1, and b==1 depends on b>=3",
        ),
    ],
)
def test_short_reason_names_the_unmet_requirement(pins: list[str], words: str, reason: str) -> None:
    assert short_reason([pin(text) for text in pins], words) == reason


def test_short_reason_names_the_unconstrained_package_without_a_compatible_version() -> None:
    words = "Because all versions of whisperx are bad and nothing else is there"
    assert (
        short_reason([pin("torch==2.1.0")], words, ["whisperx", "numpy"])
        == "no version of whisperx is compatible with torch==2.1.0"
    )


def test_long_words_are_cut() -> None:
    assert len(short_reason([pin("a==1")], "word " * 200)) == 300


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        (
            "And because transformers==4.35.0 depends on tokenizers>=0.14,<0.15, we can conclude that "
            "transformers==4.35.0 depends on huggingface-hub>=0.16.4,<0.18.\n"
            "And because the family depends on huggingface-hub==0.20.3",
            ">=0.16.4,<0.18",
        ),
        (
            "we can conclude that transformers==4.35.0 depends on one of:\nhuggingface-hub>=0.24.0,<1.0\n"
            "huggingface-hub>=1.0.0\n\nAnd because the family depends on",
            ">=0.24.0,<1.0 or >=1.0.0",
        ),
        ("we can conclude that all versions of transformers depend on huggingface-hub>=1.", ">=1"),
        ("we can conclude that transformers>=4.35,<=4.40 depends on huggingface-hub>=1.", ">=1"),
        ("we can conclude that transformers>=4.36,<=4.40 depends on huggingface-hub>=1.", ""),
        ("we can conclude that transformers==4.35.0 depends on huggingface-hub-extra>=1.", ""),
        ("we can conclude that other-transformers==4.35.0 depends on one of:\nhuggingface-hub>=1\ntokenizers>=1.", ""),
        ("Because transformers==4.35.0 depends on huggingface-hub>=1 and the family depends on", ""),
    ],
)
def test_through_reads_the_bound_that_the_resolver_concludes(words: str, bound: str) -> None:
    assert through("transformers", "4.35.0", "huggingface-hub", words) == bound


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("numpy==1!0.5", "1!0.5"),
        ("numpy==1.0", "1.0"),
        ("numpy!=1.0", None),
        ("numpy==1.*", None),
        ("numpy==1,!=2", None),
    ],
)
def test_a_version_with_an_epoch_is_exact_and_a_bound_is_not(text: str, version: str | None) -> None:
    assert Constraint("numpy", "pin", text, ("pins", "numpy")).version == version
