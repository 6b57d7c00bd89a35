"""A bump changes only the values in versions.toml, in any notation."""

from __future__ import annotations

import pytest

from lockgen.errors import BadInput
from lockgen.upgrade.bump_model import PinMove
from lockgen.upgrade.pin_edits import rewritten


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[pins]\nx = "1.0"  # not "1.0" but\n', '[pins]\nx = "2.0"  # not "1.0" but\n'),
        ("[pins]\n  'x'   =   '1.0'\n", "[pins]\n  'x'   =   '2.0'\n"),
        ("[pins]\nx = { held = true, version = '1.0' } # h\n", "[pins]\nx = { held = true, version = '2.0' } # h\n"),
        ('[pins.x]\nheld = true\nversion = "1.0"\n', '[pins.x]\nheld = true\nversion = "2.0"\n'),
        ('pins = { y = "1.0", x = "1.0" }\n', 'pins = { y = "1.0", x = "2.0" }\n'),
        ('pins.x = "1.0"\n', 'pins.x = "2.0"\n'),
        ('[pins]\ny = "1.0"\nx = "\\u0031.0"\n', '[pins]\ny = "1.0"\nx = "2.0"\n'),
        ('[pins]\r\nx = "1.0"\r\n', '[pins]\r\nx = "2.0"\r\n'),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    assert rewritten(before, [PinMove("x", "1.0", "2.0", ("pins", "x"))]) == after


def test_a_value_over_several_lines_is_refused() -> None:
    with pytest.raises(BadInput, match="does not stand where it was read"):
        rewritten('[pins]\nx = """\\\n  1.0"""\n', [PinMove("x", "1.0", "2.0", ("pins", "x"))])


def test_several_moves_at_once() -> None:
    text = '[variants.a]\nfrom = "python:3"\npins = { torch = "1+cpu", torchaudio = "1+cpu" }\n[pins]\nx = "1"\n'
    moves = [
        PinMove("torch", "1+cpu", "10.0+cpu", ("variants", "a", "pins", "torch")),
        PinMove("torchaudio", "1+cpu", "10.0+cpu", ("variants", "a", "pins", "torchaudio")),
        PinMove("a", "python:3", "python:3.11", ("variants", "a", "from"), "base"),
        PinMove("z", None, "3", ("pins", "z")),
    ]
    wanted = text.replace("1+cpu", "10.0+cpu").replace("python:3", "python:3.11") + 'z = "3"\n'
    assert rewritten(text, moves) == wanted
