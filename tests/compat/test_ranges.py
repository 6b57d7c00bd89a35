"""Equal cells of the matrix are shown as ranges."""

from __future__ import annotations

from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.compat.ranges import blocks, label, merged, pattern, row_cells, row_label
from lockgen.compat.render import markdown

PYTHON = Axis("python", ("3.10", "3.11", "3.12", "3.13"))
TORCH = Axis("torch", ("2.1.0", "2.2.0", "2.3.0", "2.4.0"))
NUMPY = Axis("numpy", ("1.26.4", "2.0.0"))


@st.composite
def keyed_cells(draw: st.DrawFn) -> dict[tuple[str, ...], int]:
    cells = list(product(TORCH.values, NUMPY.values))
    chosen = draw(st.lists(st.sampled_from(cells), unique=True))
    return {cell: draw(st.integers(0, 1)) for cell in sorted(chosen)}


@given(keyed_cells())
def test_blocks_have_every_cell_once_and_one_key_each(keys: dict[tuple[str, ...], int]) -> None:
    found = blocks(keys, (TORCH, NUMPY))
    assert sorted(chain.from_iterable(block.cells() for block in found)) == sorted(keys)
    for block in found:
        assert len({keys[cell] for cell in block.cells()}) == 1


@given(keyed_cells())
def test_a_label_names_the_cells_of_its_block(keys: dict[tuple[str, ...], int]) -> None:
    for block in blocks(keys, (TORCH, NUMPY)):
        cells = row_cells(row_label(block, (TORCH, NUMPY)), (TORCH, NUMPY))
        assert list(cells) == list(block.cells())


def test_labels_with_values_that_the_axes_do_not_have_name_no_cells() -> None:
    for text in ("9.9", "2.1.0 to 9.9", "2.4.0 to 2.1.0", "2.1.0, 2.2.0", ""):
        assert list(row_cells(text, (TORCH,))) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("3.10",), "3.10"),
        (("3.10", "3.11"), "3.10 and 3.11"),
        (("3.10", "3.11", "3.12"), "3.10 to 3.12"),
        (("3.10", "3.12", "3.13"), "3.10, 3.12 and 3.13"),
        (PYTHON.values, "any"),
    ],
)
def test_labels(values: tuple[str, ...], text: str) -> None:
    assert label(values, PYTHON) == text


def test_a_value_that_was_not_run_is_in_no_range() -> None:
    keys: dict[tuple[str, ...], str] = {("2.1.0",): "yes", ("2.3.0",): "yes", ("2.4.0",): "yes"}
    labels = [row_label(block, (TORCH,)) for block in blocks(keys, (TORCH,))]
    assert labels == ["2.1.0", "2.3.0 to 2.4.0"]


def test_reasons_that_differ_in_versions_are_one_sentence() -> None:
    reasons = [
        f"whisperx requires torchaudio>=2.5.1, but torchaudio is {version}+cu121; more"
        for version in ("2.10.0", "2.9.0")
    ]
    assert pattern(reasons[0]) == pattern(reasons[1])
    assert merged(reasons) == "whisperx requires torchaudio>=2.5.1, but torchaudio is 2.9.0+cu121 to 2.10.0+cu121; more"


def test_other_bounds_are_another_sentence() -> None:
    assert pattern("a needs b>=1.0") != pattern("a needs b>=2.0")


def _matrix(
    status: dict[tuple[str, str], CellStatus],
    installed: dict[tuple[str, str], InstallSummary] | None = None,
    changes: dict[str, tuple[str, str]] | None = None,
) -> Matrix:
    group = ImageGroup("base:cpu", "cpu", ("base",))
    axes = (PYTHON, TORCH, Axis("variant", ("cpu",)))
    cells = []
    for python, torch in product(PYTHON.values, TORCH.values):
        result = CellResult(
            group=group,
            status=status.get((python, torch), CellStatus.YES),
            changes=changes or {},
            reason=f"torch is {torch}",
            detail="",
            versions={},
            installed=(installed or {}).get((python, torch)),
        )
        cells.append(Cell({"python": python, "torch": torch, "variant": "cpu"}, results=(result,)))
    return Matrix("acme", "sha256:0", axes, (group,), tuple(cells))


def test_an_axis_without_influence_takes_one_row() -> None:
    text = markdown(_matrix({("3.10", torch): CellStatus.NO for torch in TORCH.values}))
    assert "| torch | Python 3.10 | Python 3.11 | Python 3.12 | Python 3.13 |\n|---|---|---|---|---|\n" in text
    assert "| any | no | resolves | resolves | resolves |\n" in text
    assert "* Python 3.10: torch is 2.1.0 to 2.4.0\n" in text
    assert text.count("|\n") == 3


def test_equal_rows_are_one_range() -> None:
    text = markdown(_matrix({(python, "2.4.0"): CellStatus.UNKNOWN for python in ("3.10", "3.12")}))
    assert (
        "| 2.1.0 to 2.3.0 | resolves | resolves | resolves | resolves |\n| 2.4.0 | ? | resolves | ? | resolves |\n"
        in text
    )
    assert "* Python 3.10 and 3.12, torch 2.4.0: torch is 2.4.0\n" in text


IMPORTED = InstallSummary(CellStatus.YES)


def test_cells_that_run_are_not_merged_with_those_that_only_resolve() -> None:
    ran = {(python, torch): IMPORTED for python in ("3.10", "3.11") for torch in ("2.1.0", "2.2.0")}
    text = markdown(_matrix({}, ran))
    assert "| 2.1.0 to 2.2.0 | runs | runs | resolves | resolves |\n" in text
    assert "| 2.3.0 to 2.4.0 | resolves | resolves | resolves | resolves |\n" in text


def test_reasons_why_cells_do_not_run_are_ranges_too() -> None:
    ran = {("3.10", torch): InstallSummary(CellStatus.NO, f"torch {torch} is too old") for torch in TORCH.values}
    ran["3.11", "2.1.0"] = InstallSummary(CellStatus.UNKNOWN, "no Python 3.11")
    text = markdown(_matrix({}, ran))
    assert "| any | does not run | resolves | resolves | resolves |\n" in text
    assert "Does not run:\n\n* Python 3.10: torch 2.1.0 to 2.4.0 is too old\n" in text
    assert "Could not be run:\n\n* Python 3.11, torch 2.1.0: no Python 3.11\n" in text


def test_pin_changes_of_cells_that_run_are_not_merged_either() -> None:
    status = {("3.10", torch): CellStatus.CHANGES for torch in TORCH.values}
    ran = {("3.10", torch): IMPORTED for torch in ("2.1.0", "2.2.0")}
    ran["3.10", "2.3.0"] = InstallSummary(CellStatus.NO, "it fails")
    text = markdown(_matrix(status, ran, {"numpy": ("2.0", "1.9")}))
    assert "| 2.1.0 to 2.2.0 | 1 pin, runs | resolves |" in text
    assert "| 2.3.0 | 1 pin, does not run | resolves |" in text
    assert "| 2.4.0 | 1 pin | resolves |" in text
    assert "* Python 3.10, torch 2.1.0 and 2.2.0: numpy 2.0 -> 1.9: torch is 2.1.0 to 2.2.0\n" in text
