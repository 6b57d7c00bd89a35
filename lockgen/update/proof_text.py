"""What a pull request says about the images that were run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgen.core.markdown import code_block, plain, table_row
from lockgen.core.quoting import readable
from lockgen.core.words import counted, enumerated
from lockgen.proof.change_text import images_by_line, memory, seconds
from lockgen.proof.model import ImageRun, Line, ProofBound, RunChange

_MOST_LINES = 20
_RESULT = {"yes": "runs", "no": "**does not run**", "unknown": "unknown"}


def summary(runs: Sequence[RunChange]) -> str:
    """One sentence for the first paragraph; "" if nothing was run."""
    if not runs:
        return ""
    run = [change for change in runs if change.after.status == "yes"]
    rest = [change for change in runs if change.after.status != "yes"]
    sentences = []
    if run:
        tests = sum(len(change.after.tests) for change in run)
        more = f", and {counted(tests, 'test passes', 'tests pass')}" if tests else ""
        sentences.append(f"{counted(len(run), 'changed image runs', 'changed images run')}: its packages import{more}.")
    if rest:
        names = enumerated([f"`{plain(change.image)}`" for change in rest])
        sentences.append(f"Not shown to run: {names}, see below.")
    text = " ".join(sentences)
    return text if len(run) == 1 else text.replace("its packages", "their packages")


def runs(changes: Sequence[RunChange]) -> list[str]:
    """A table of the images, then what is new in what they write."""
    if not changes:
        return []
    lines = [*_where(changes), "", *_table(changes)]
    for title, part in (
        ("Problems that the base branch has, too", _old_problems(changes)),
        ("No longer a problem", _solved(changes)),
        ("New messages", _messages((change.image, change.new_lines) for change in changes)),
        ("Messages that are gone", _messages((change.image, change.gone_lines) for change in changes)),
        ("Shared libraries that nothing provides any more", _native(changes)),
    ):
        if part:
            lines += ["", f"{title}:", "", *part]
    return lines


def _where(changes: Sequence[RunChange]) -> list[str]:
    places = dict.fromkeys(change.after.where for change in changes if change.after.where)
    where = enumerated([plain(place) for place in places]) or "nowhere"
    return [f"Each image's locked packages were installed and imported {where}. Before is the base branch."]


def _table(changes: Sequence[RunChange]) -> list[str]:
    head = ["image", "result", "imports before", "after", "memory before", "after", "tests"]
    rows = [table_row(head), table_row(["---"] * len(head))]
    rows += [table_row(_cells(change)) for change in changes]
    return rows


def _cells(change: RunChange) -> list[str]:
    before, after = change.before, change.after
    result = _RESULT[after.status]
    if after.reason:
        result += f": {plain(after.reason)}"
    cells = [f"`{plain(change.image)}`", result]
    cells += [seconds(before), seconds(after)]
    cells += [memory(before), memory(after)]
    return [*cells, _tests(before, after)]


def _tests(before: ImageRun | None, after: ImageRun) -> str:
    if not after.tests:
        return "-"
    text = f"{len(after.tests)} in {sum(test.seconds for test in after.tests):.1f} s"
    if before is not None and before.tests:
        text += f" (before {sum(test.seconds for test in before.tests):.1f} s)"
    return text


def _old_problems(changes: Iterable[RunChange]) -> list[str]:
    lines = []
    for change in changes:
        new = set(change.new_problems)
        lines += [_item(change.image, problem.title) for problem in change.after.problems if problem not in new]
    return lines


def _solved(changes: Iterable[RunChange]) -> list[str]:
    return [_item(change.image, problem.title) for change in changes for problem in change.solved_problems]


def _native(changes: Iterable[RunChange]) -> list[str]:
    return [_item(change.image, warning) for change in changes for warning in change.new_native]


def _item(image: str, text: str) -> str:
    return f"* `{plain(image)}`: {plain(text)}"


def _messages(found: Iterable[tuple[str, Sequence[Line]]]) -> list[str]:
    rows = [
        f"* {plain(line.by)} ({enumerated([f'`{plain(name)}`' for name in names])}): {plain(line.text)}"
        for line, names in images_by_line(found).items()
    ]
    more = len(rows) - _MOST_LINES
    return rows if more <= 0 else [*rows[:_MOST_LINES], f"* … and {more} more"]


def bounds(found: Sequence[ProofBound]) -> list[str]:
    """Versions with which images do not run, and the setting that keeps them away."""
    if not found:
        return []
    lines = []
    for bound in found:
        passed = f"{plain(bound.passed)} is the newest version that runs" if bound.passed else "no newer version runs"
        lines.append(
            f"* {plain(bound.package)} {plain(bound.failed)}: `{plain(bound.image)}` does not run:"
            f" {plain(bound.reason)}; {passed}."
        )
    lines += [
        "",
        "The versions between were tried by halving, as if all versions after one that fails failed, too. To keep"
        " these versions away, add to `[update]` in versions.toml, or to an existing `ignore`:",
        "",
        *code_block("toml", ["ignore = [", *(f"  {_entry(bound)}," for bound in found), "]"]),
    ]
    return lines


def _entry(bound: ProofBound) -> str:
    package, versions = readable(bound.package), readable(f">={bound.failed}")
    reason = readable(f"does not run: {bound.reason}"[:250])
    return f"{{ package = {package}, versions = {versions}, reason = {reason} }}"
