"""Tables for people fit into 80 columns: long cells take several lines, and none of their text is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgen.core.text_table import narrow_table, table

HEAD = ["pin", "current", "days", "fits", "newest", "days", "held", "images"]
ROW = [
    "torch, torchaudio, torchvision (cuda)",
    "2.5.1+cu121",
    "400",
    "2.12.1+cu121",
    "2.13.0+cu121",
    "30",
    "held",
    "speech-recognition, voice-detection, diarization +9",
]
NAMES = st.lists(st.text("abc-_+/ ", min_size=1, max_size=60).map(lambda text: f"x{text.strip()}"), min_size=1)


def test_a_narrow_table_is_unchanged() -> None:
    rows = [["numpy", "1.0", "1", "=", "1.0", "1", "", "app"]]
    assert narrow_table(HEAD, rows, (0, 7), (0, 7)) == table(HEAD, rows, (0, 7))


def test_a_wide_table_is_broken_at_spaces() -> None:
    assert narrow_table(HEAD[:-1], [ROW[:-1]], width=70, below=[ROW[-1]]).splitlines() == [
        "pin              current  days          fits        newest  days  held",
        "torch,       2.5.1+cu121   400  2.12.1+cu121  2.13.0+cu121    30  held",
        "torchaudio,",
        "torchvision",
        "(cuda)",
        "    speech-recognition, voice-detection, diarization +9",
    ]


@given(NAMES, NAMES)
def test_no_text_is_lost(names: list[str], images: list[str]) -> None:
    rows = [[name, "1.0", image] for name, image in zip(names, images, strict=False)]
    text = narrow_table(["pin", "current", "images"], rows, (0, 2), (0, 2), width=40)
    assert all(len(line) <= 40 for line in text.splitlines())
    for row in rows:
        letters = sorted(character for cell in row for character in cell if not character.isspace())
        assert letters
    shown = sorted(character for character in text if not character.isspace())
    expected = sorted(
        character for cell in [["pin", "current", "images"], *rows] for text in cell for character in text
    )
    assert shown == [character for character in expected if not character.isspace()]
