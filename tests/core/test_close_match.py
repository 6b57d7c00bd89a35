"""Hints for misspelled names."""

import pytest

from lockgen.core.close_match import close_match

MANY = [f"package-{number}" for number in range(160)]


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("nunpy", ["numpy", "scipy"], "did you mean `numpy`?"),
        ("zzz", ["numpy", "scipy"], "known names: numpy, scipy"),
        ("zzz", [], None),
    ],
)
def test_few_names_are_all_listed(word: str, known: list[str], hint: str | None) -> None:
    assert close_match(word, known) == hint


def test_of_many_names_only_the_closest_are_listed() -> None:
    hint = close_match("yaml", [*MANY, "yaml-of-rust", "py-cpuinfo"])
    assert hint is not None
    assert "none of the 162 known names is similar" in hint
    assert "yaml-of-rust" in hint
    assert len(hint) < 200
