"""What runs of images found, as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgen.core.text_table import megabytes, table
from lockgen.proof.model import ImageRun, Line, RunChange

RESULT = {"yes": "runs", "no": "does not run", "unknown": "unknown"}


def changes(found: Sequence[RunChange]) -> str:
    """A table of the images before and after, why some are unknown, then what is new in what they write."""
    rows = [_row(change) for change in found]
    head = ["image", "result", "imports before", "after", "memory before", "after"]
    lines = [table(head, rows), *_where(found)]
    for change in found:
        if change.after.status == "unknown":
            lines.append(f"{change.image} is unknown: {change.after.reason}")
        new = {problem.key for problem in change.new_problems}
        for problem in change.after.problems:
            before = "" if problem.key in new else ", as before"
            lines.append(f"{change.image} does not run{before}: {problem.title}")
            lines += [f"    {line}" for line in problem.output.splitlines()]
    lines += _messages("new message", ((change.image, change.new_lines) for change in found))
    lines += _messages("message that is gone", ((change.image, change.gone_lines) for change in found))
    for change in found:
        lines += [f"{change.image}: {warning}" for warning in change.new_native]
    return "\n".join(lines)


def _where(found: Iterable[RunChange]) -> list[str]:
    places = dict.fromkeys(change.after.where for change in found if change.after.where)
    return [f"run {place}" for place in places]


def _row(change: RunChange) -> list[str]:
    before, after = change.before, change.after
    return [change.image, RESULT[after.status], seconds(before), seconds(after), memory(before), memory(after)]


def seconds(run: ImageRun | None) -> str:
    """How long the imports took; "-" if that is unknown."""
    return f"{run.import_seconds:.1f} s" if run is not None and run.imports else "-"


def memory(run: ImageRun | None) -> str:
    """The peak memory of the imports; "-" if that is unknown."""
    return megabytes(run.memory) if run is not None and run.memory else "-"


def _messages(title: str, found: Iterable[tuple[str, Sequence[Line]]]) -> list[str]:
    by_line = images_by_line(found)
    return [f"{title} of {line.by} ({', '.join(names)}): {line.text}" for line, names in by_line.items()]


def images_by_line(found: Iterable[tuple[str, Sequence[Line]]]) -> dict[Line, list[str]]:
    """Each line once, with the images that write it."""
    images: dict[Line, list[str]] = {}
    for image, lines in found:
        for line in lines:
            images.setdefault(line, []).append(image)
    return images
