"""locks/COMPAT.md is written for people, but `update` reads the status of each cell from it."""

from __future__ import annotations

import hashlib
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.compat.reader import parse_matrix
from lockgen.compat.render import markdown, render_json, statuses_of
from lockgen.core.layout import COMPAT_MARK

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
        installed = None
        if status in {CellStatus.YES, CellStatus.CHANGES} and draw(st.booleans()):
            ran = draw(st.sampled_from([CellStatus.YES, CellStatus.NO, CellStatus.UNKNOWN]))
            installed = InstallSummary(ran, draw(TEXTS), (draw(TEXTS),))
        return CellResult(group, status, changes, draw(TEXTS), "", {}, installed)

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


@given(matrices())
def test_shards_keep_what_was_run(matrix: Matrix) -> None:
    assert parse_matrix(render_json(matrix).encode(), "shard.json") == matrix


def test_a_file_of_an_older_lockgen_is_read() -> None:
    """It did not say whether cells run, and its word for those that resolve was "yes"."""
    body = """
# Compatibility of voices

Yes: resolves as pinned; N pins: resolves if N free pins change; no: has no resolution.

## base_x:cpu

base_x.

| torch | Python 3.9 | Python 3.10 |
|---|---|---|
| 2.1.0 to 2.2.0 | yes | 2 pins |
| 2.3.0 | no | - |
"""
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = f"{COMPAT_MARK}<!-- inputs sha256:0 -->\n<!-- text sha256:{digest} -->\n{body}"
    axes = (AXES[0], AXES[1], Axis("variant", ("cpu",)))
    names = [axis.name for axis in axes]
    cells = [Cell(dict(zip(names, values, strict=True))) for values in product(*(axis.values for axis in axes))]
    found = statuses_of(text.encode(), Matrix("voices", "sha256:0", axes, GROUPS[:1], tuple(cells)))
    assert found is not None
    assert {f"{cell.at['python']} {cell.at['torch']}": found.get((cell.name, "base_x:cpu")) for cell in cells} == {
        "3.9 2.1.0": CellStatus.YES,
        "3.9 2.2.0": CellStatus.YES,
        "3.9 2.3.0": CellStatus.NO,
        "3.10 2.1.0": CellStatus.CHANGES,
        "3.10 2.2.0": CellStatus.CHANGES,
        "3.10 2.3.0": None,
    }


def test_a_file_with_other_inputs_or_edits_has_no_statuses() -> None:
    cell = Cell({"python": "3.9", "variant": "cpu"}, False, (CellResult(GROUPS[0], CellStatus.YES, {}, "", "", {}),))
    axes = (Axis("python", ("3.9",)), Axis("variant", ("cpu",)))
    matrix = Matrix("voices", "sha256:0", axes, GROUPS[:1], (cell,))
    written = markdown(matrix).encode()
    assert statuses_of(written, matrix) == {("python=3.9 variant=cpu", "base_x:cpu"): CellStatus.YES}
    other = Matrix("voices", "sha256:1", axes, GROUPS[:1], (cell,))
    assert statuses_of(written, other) is None
    assert statuses_of(written.replace(b"| resolves |", b"| no |"), matrix) is None
    assert statuses_of(b"", matrix) is None
