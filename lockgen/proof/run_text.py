"""The result of a run as lines of plain text: what runs, or why it does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lockgen.core.text_table import megabytes
from lockgen.core.words import counted
from lockgen.proof.model import ImageRun


def run_lines(run: ImageRun) -> list[str]:
    """One line with the result, then the problems, indented. Output of tests is below its test."""
    match run.status:
        case "yes":
            return [f"runs {run.where}: {_measured(run)}"]
        case "unknown":
            return [f"unknown whether it runs: {run.reason}"]
        case "no":
            return [f"does not run {run.where}:", *_problems(run)]


def _measured(run: ImageRun) -> str:
    imports = f"{counted(len(run.imports), 'package')} imported in {run.import_seconds:.1f} s"
    memory = f"{megabytes(run.memory)} of memory"
    if not run.tests:
        return f"{imports}, {memory}"
    seconds = sum(test.seconds for test in run.tests)
    return f"{imports}, {counted(len(run.tests), 'test')} passed in {seconds:.1f} s, {memory}"


def _problems(run: ImageRun) -> Iterator[str]:
    for problem in run.problems:
        yield f"    {problem.title}"
        if problem.kind == "test":
            yield from (f"        {line}" for line in problem.output.splitlines())
