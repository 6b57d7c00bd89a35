"""`lockgen compat`: which combinations of Python, torch and variant work, as versions.toml's [compat] declares them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from lockgen.app import App
from lockgen.compat import cells as planning
from lockgen.compat import render as rendering
from lockgen.compat.html_page import page
from lockgen.compat.matrix_run import CompatOptions, filled, is_matrix, planned, write_matrix
from lockgen.compat.model import Cell, CellStatus, Matrix
from lockgen.compat.shards import merged
from lockgen.core.layout import COMPAT_PATH
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit, Fault, LockgenError
from lockgen.io.ownership import refuse_foreign_file
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import Inputs, read_inputs


def run(app: App, words: tuple[str, ...], options: CompatOptions) -> int:
    """Prints the matrix, or the cells that ``words`` mean; a whole one is written to locks/COMPAT.md too.

    Raises:
        LockgenError: versions.toml, a record or a shard is at fault; nothing was written.
    """
    _check(words, options)
    folder = app.folder
    inputs = read_inputs(folder)
    writes = options.merge or (not words and options.shard is None and not options.only_list)
    if writes:  # before hours of resolving, not after them
        refuse_foreign_file(folder, COMPAT_PATH, is_matrix)
    try:
        if options.merge:
            matrix, complete = merged(folder, inputs.manifest, [Path(word) for word in words]), True
        else:
            plan = planned(app, inputs.manifest, options)
            wanted = _wanted(plan.matrix, words, options)
            if options.only_list:
                click.echo("\n".join(cell.name for cell in wanted if not cell.excluded))
                return Exit.DONE
            matrix, complete = filled(app, plan, wanted, options)
    except LockgenError as error:
        raise type(error).of([_placed(inputs, fault) for fault in error.faults]) from error
    _print(matrix, options)
    if not complete:
        return Exit.INTERRUPTED
    if writes:
        _write(folder, matrix, app.progress)
    return _exit_code(matrix, options.fail_on)


def _check(words: Sequence[str], options: CompatOptions) -> None:
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    if options.as_json + options.as_markdown + options.as_html > 1:
        raise BadInput("--json, --markdown and --html exclude one another", hint="choose one")
    if options.merge and (not words or options.shard):
        raise BadInput("--merge puts shards together, and resolves nothing", hint="name their files, without --shard")


def _placed(inputs: Inputs, fault: Fault) -> Fault:
    return fault if fault.path is None or fault.place else replace(fault, place=inputs.place(fault.path))


# -- planning -----------------------------------------------------------------


def _wanted(matrix: Matrix, words: Sequence[str], options: CompatOptions) -> tuple[Cell, ...]:
    cells = planning.chosen(matrix.cells, matrix.axes, words) if words else matrix.cells
    if options.shard is None:
        return cells
    number, of = _shard(options.shard)
    return planning.shard(cells, number, of)


def _shard(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise BadInput(f"--shard {text!r} is no part of a whole", hint="I/N, as in 1/4: from 1/4 to 4/4")
    return int(number), int(of)


# -- filling ------------------------------------------------------------------


# -- shards -------------------------------------------------------------------


# -- telling ------------------------------------------------------------------


def _print(matrix: Matrix, options: CompatOptions) -> None:
    if options.as_json:
        click.echo(rendering.render_json(matrix), nl=False)
    elif options.as_html:
        click.echo(page(json.loads(rendering.render_json(matrix))), nl=False)
    elif options.as_markdown:
        click.echo(rendering.markdown(matrix), nl=False)
    else:
        click.echo(rendering.text(matrix), nl=False)


def _write(folder: Folder, matrix: Matrix, progress: Progress) -> None:
    for path in write_matrix(folder, matrix):
        progress.note(f"{path} written")


def _exit_code(matrix: Matrix, fail_on: Sequence[str]) -> Exit:
    wanted = {CellStatus(word) for word in fail_on}
    found = any(result.status in wanted for cell in matrix.cells for result in cell.results)
    return Exit.FOUND if found else Exit.DONE
