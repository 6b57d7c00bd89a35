"""`lockgen compat`: show which combinations of Python, torch and variant work, as declared in [compat]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lockgen.app import App
from lockgen.compat import cells as planning
from lockgen.compat import render as rendering
from lockgen.compat.html_page import page
from lockgen.compat.matrix_run import CompatOptions, filled, is_matrix, planned, write_matrix
from lockgen.compat.model import Cell, CellStatus, Matrix, Verdict
from lockgen.compat.shards import merged
from lockgen.core.documents import parse_json
from lockgen.core.layout import COMPAT_PATH
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Exit, Fault, LockgenError
from lockgen.io.console import render_fault
from lockgen.io.output import print_text
from lockgen.io.ownership import refuse_foreign_file
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.outputs.shortage_search import placed_shortages


def run(app: App, words: tuple[str, ...], options: CompatOptions) -> int:
    """Print the matrix, or only the cells named by ``words``; write a complete one to locks/COMPAT.md.

    With ``merge``, ``words`` are the files of the shards.

    Raises:
        LockgenError: versions.toml, a record or a shard is invalid; no file was changed.
    """
    _check_options(words, options)
    folder = app.folder
    inputs = read_inputs(folder)
    is_whole = options.merge or (not words and options.shard is None and not options.only_list)
    if is_whole:
        # Before hours of resolving, not after them.
        refuse_foreign_file(folder, COMPAT_PATH, is_matrix)
    try:
        if options.only_list and not options.merge:
            _print_names(app, inputs.manifest, words, options)
            return Exit.DONE
        matrix, complete = _matrix(app, inputs.manifest, words, options)
    except LockgenError as error:
        faults = [_with_place(fault, inputs) for fault in error.faults]
        raise type(error).of(faults) from error
    print_text(_rendered(matrix, options), end="")
    if not options.offline and not options.merge:
        _note_shortages(app, inputs, matrix)
    if not complete:
        return Exit.INTERRUPTED
    if is_whole:
        for path in write_matrix(folder, matrix):
            app.progress.note(f"{path} written")
    return _exit_code(matrix, options.fail_on)


def _note_shortages(app: App, inputs: Inputs, matrix: Matrix) -> None:
    """If no cell has a solution, print to stderr what the index lacks of versions.toml, as `resolve` does."""
    results = [result for cell in matrix.cells for result in cell.results]
    if not results or any(result.status is not CellStatus.NO for result in results):
        return
    reason = "\n".join(result.reason for result in results)
    for fault in placed_shortages(app.http, inputs, None, reason):
        app.progress.note(render_fault(fault, label="note"))


def _check_options(words: Sequence[str], options: CompatOptions) -> None:
    if options.offline and options.live:
        raise BadInput("--offline and --live are mutually exclusive", hint="choose one")
    if options.as_json + options.as_markdown + options.as_html > 1:
        raise BadInput("--json, --markdown and --html are mutually exclusive", hint="choose one")
    if str(Verdict.FAILS) in options.fail_on and not (options.install or options.merge):
        raise BadInput(
            f"without --install no cell is run, so --fail-on {Verdict.FAILS} never applies", hint="add --install"
        )
    if options.merge and (not words or options.shard):
        raise BadInput(
            "--merge requires the files of the shards, and cannot be combined with --shard", hint="name the files"
        )


def _with_place(fault: Fault, inputs: Inputs) -> Fault:
    """``fault`` with the line of versions.toml that its path is in."""
    if fault.path is None or fault.place:
        return fault
    return replace(fault, place=inputs.place(fault.path))


def _matrix(app: App, manifest: Manifest, words: Sequence[str], options: CompatOptions) -> tuple[Matrix, bool]:
    """The matrix, and whether all selected cells have a result."""
    if options.merge:
        paths = [Path(word) for word in words]
        return merged(app.folder, manifest, paths), True
    plan = planned(app, manifest, options)
    cells = _selected(plan.matrix, words, options)
    return filled(app, plan, cells, options)


def _print_names(app: App, manifest: Manifest, words: Sequence[str], options: CompatOptions) -> None:
    plan = planned(app, manifest, options)
    cells = _selected(plan.matrix, words, options)
    names = [cell.name for cell in cells if not cell.excluded]
    print_text("\n".join(names))


def _selected(matrix: Matrix, words: Sequence[str], options: CompatOptions) -> tuple[Cell, ...]:
    cells = matrix.cells
    if words:
        cells = planning.select_cells(cells, matrix.axes, words)
    if options.shard is not None:
        number, count = _parse_shard(options.shard)
        cells = planning.cells_of_shard(cells, number, count)
    return cells


def _parse_shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    if match is not None:
        number = int(match[1])
        count = int(match[2])
        if 1 <= number <= count:
            return number, count
    hint = "write I/N, from 1/N to N/N: --shard 1/4"
    raise BadInput(f"--shard {text!r} is not a valid shard", hint=hint)


def _rendered(matrix: Matrix, options: CompatOptions) -> str:
    if options.as_json:
        return rendering.render_json(matrix)
    if options.as_html:
        # From format 1, as a page of another tool would be: the format must have everything that readers need.
        return page(parse_json(rendering.render_json(matrix)))
    if options.as_markdown:
        return rendering.markdown(matrix)
    return rendering.text(matrix)


def _exit_code(matrix: Matrix, fail_on: Sequence[str]) -> Exit:
    wanted = set(fail_on)
    for cell in matrix.cells:
        # A cell that does not run has a status, too: it resolves as pinned, or with changes.
        if any({str(result.status), str(result.verdict)} & wanted for result in cell.results):
            return Exit.FOUND
    return Exit.DONE
