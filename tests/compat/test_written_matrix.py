"""locks/COMPAT.md is written for people, but `update` reads the status of each cell from it."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, Matrix
from lockgen.compat.render import markdown, statuses_of

GROUPS = (
    ImageGroup("base_x:cpu", "cpu", ("base_x", "a|b")),
    ImageGroup("ml:cuda", "cuda", ("ml",)),
    ImageGroup("up:cuda", "cuda", ()),
)
AXES = (
    Axis("python", ("3.9", "3.10")),
    Axis("torch", ("2.1.0", "2.2.0", "2.3.0")),
    Axis("num_py", ("1.26", "2.0_1")),
    Axis("variant", ("cpu", "cuda")),
)
TEXTS = st.text(alphabet="ab |#*_~\\`<>[]?-", max_size=12)


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    def result(group: ImageGroup) -> CellResult:
        status = draw(st.sampled_from(CellStatus))
        names = draw(st.sets(TEXTS, max_size=3)) if status is CellStatus.CHANGES else set()
        changes = {name: ("1", draw(TEXTS)) for name in names}
        return CellResult(group, status, changes, draw(TEXTS), "", {})

    cells = []
    names = [axis.name for axis in AXES]
    for values in product(*(axis.values for axis in AXES)):
        at = dict(zip(names, values, strict=True))
        excluded = draw(st.booleans())
        of = [] if excluded else [group for group in GROUPS if group.variant == at["variant"]]
        cells.append(Cell(at, excluded, tuple(map(result, of))))
    return Matrix("voices", "sha256:0", AXES, GROUPS, tuple(cells))


@given(matrices())
def test_every_status_can_be_read_again(matrix: Matrix) -> None:
    expected = {(cell.name, one.group.name): one.status for cell in matrix.cells for one in cell.results}
    assert statuses_of(markdown(matrix).encode(), matrix) == expected


def test_a_file_with_other_inputs_or_edits_has_no_statuses() -> None:
    cell = Cell({"python": "3.9", "variant": "cpu"}, False, (CellResult(GROUPS[0], CellStatus.YES, {}, "", "", {}),))
    axes = (Axis("python", ("3.9",)), Axis("variant", ("cpu",)))
    matrix = Matrix("voices", "sha256:0", axes, GROUPS[:1], (cell,))
    written = markdown(matrix).encode()
    assert statuses_of(written, matrix) == {("python=3.9 variant=cpu", "base_x:cpu"): CellStatus.YES}
    other = Matrix("voices", "sha256:1", axes, GROUPS[:1], (cell,))
    assert statuses_of(written, other) is None
    assert statuses_of(written.replace(b"| yes |", b"| no |"), matrix) is None
    assert statuses_of(b"", matrix) is None
