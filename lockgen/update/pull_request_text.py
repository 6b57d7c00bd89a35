"""The title and the text of a pull request of `lockgen update`. Pure, from a PullRequestContent.

The text ends with a marker, a comment that names the commit it describes. By it lockgen recognizes its own pull
requests, and sees whether a text is out of date. Everything from outside is escaped: see lockgen.core.markdown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.markdown import code_block, explanation, is_address, plain, section, shortened, table_row
from lockgen.core.parsing import parse_version
from lockgen.core.sizes import Bytes, Weight
from lockgen.core.text_table import megabytes
from lockgen.core.update_policy import STEPS
from lockgen.core.words import counted
from lockgen.diff import render as rendering
from lockgen.index.model import ReleaseNotes
from lockgen.size.render import download, installed
from lockgen.update import proof_text
from lockgen.update.base_image_updates import short_digest
from lockgen.update.model import (
    SECURITY,
    CellChange,
    KnownVulnerability,
    MovedPin,
    PullRequest,
    PullRequestContent,
    Stuck,
)

MARK = "lockgen-update"
CLOSED = "<!-- lockgen-closed -->"
"""Marks the text of a pull request that lockgen closed itself: no person declined it."""
OUTDATED = "<!-- lockgen-outdated -->"
"""Ends the notice before a text that no longer holds."""
NO_COMMIT = "0" * 40
"""Stands for a commit: a text with it describes none, so the next successful run writes the text again."""

TITLE_LENGTH = 120
TITLE_MOVES = 3
"""How many packages a title names without a count."""
LISTED = 20
"""How many packages the first sentence names."""
BODY_LENGTH = 60_000
"""GitHub accepts 65,536 characters."""
REASON_LENGTH = 3_000
UNKNOWN_SHOWN = 5
"""How many packages of unknown size are named."""

_MARK = re.compile(rf"<!-- {MARK} commit=([0-9a-f]{{40,64}}) moves=([0-9a-f]*) -->")


# -- moves ---------------------------------------------------------------------


def unique_moves(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """The moves, each once: several tables may pin a package."""
    return list(dict.fromkeys(moves))


def without_cut_off(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """The moves of packages and base images, each once."""
    return [move for move in unique_moves(moves) if move.kind != "cut-off"]


def packages_of(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """The moves of packages, each once."""
    return [move for move in without_cut_off(moves) if move.kind != "base"]


@dataclass(frozen=True, slots=True)
class _NamedMove:
    """A package, or a base image with its new tag, however many tables or tags move.

    ``reach`` is the size of the largest step; 0 if it is unknown.
    """

    name: str
    olds: tuple[str, ...]
    new: str
    base: bool
    reach: int


def _named(moves: Iterable[MovedPin]) -> list[_NamedMove]:
    by_name: dict[tuple[str, str], list[MovedPin]] = {}
    for move in without_cut_off(moves):
        # Variants may use different tags of one base image; each new tag is an update.
        goal = move.new if move.kind == "base" else ""
        by_name.setdefault((move.name, goal), []).append(move)
    return [_joined(same) for same in by_name.values()]


def _joined(same: Sequence[MovedPin]) -> _NamedMove:
    """Moves of one package or image, as one."""
    olds = _in_common(move.old for move in same)
    news = _in_common(move.new for move in same)
    first = same[0]
    return _NamedMove(
        name=first.name,
        olds=tuple(short_digest(old) for old in olds),
        # A title has room for one version only.
        new=short_digest(news[0]),
        base=first.kind == "base",
        reach=max(_reach(move) for move in same),
    )


def _reach(move: MovedPin) -> int:
    if move.step is None:
        return 0
    return STEPS.index(move.step) + 1


def _in_common(values: Iterable[str]) -> list[str]:
    """The versions, each once. If they differ, without local parts: torch differs by accelerator only."""
    unique = list(dict.fromkeys(values))
    if len(unique) == 1:
        return unique
    return list(dict.fromkeys(value.partition("+")[0] for value in unique))


def _owners(moves: Iterable[MovedPin]) -> tuple[str, ...]:
    """The variants whose own pins move; empty for shared pins."""
    for move in moves:
        if move.kind == "pin" and move.variants:
            return move.variants
    return ()


# -- the title -----------------------------------------------------------------


def title(content: PullRequestContent) -> str:
    """The title: what moves, from which version to which, and whether it is a security fix."""
    security = SECURITY if content.fixed else ""
    line = f"{security}update {_title_moves(content)}"
    if len(line) <= TITLE_LENGTH:
        return line
    start = line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0]
    return f"{start}…"


def _title_moves(content: PullRequestContent) -> str:
    named = _named(content.moves)
    owners = _owners(content.moves)
    suffix = f" ({', '.join(owners)})" if owners else ""
    if len(named) == 1 and len(named[0].olds) == 1:
        one = named[0]
        return f"{one.name} {one.olds[0]} -> {one.new}{suffix}"
    if len(named) <= TITLE_MOVES:
        return _goals(named) + suffix
    # The end of a long title is cut, so the largest steps come first: they need the most attention.
    named.sort(key=lambda one: (-one.reach, one.name))
    return f"{content.group}: {_counted(named)}{suffix} ({_goals(named)})"


def _goals(named: Iterable[_NamedMove]) -> str:
    return ", ".join(f"{one.name} {one.new}" for one in named)


def _counted(named: Sequence[_NamedMove]) -> str:
    images = sum(one.base for one in named)
    parts = []
    for count, noun in ((len(named) - images, "package"), (images, "base image")):
        if count:
            parts.append(f"{count} {noun}{'s' if count > 1 else ''}")
    return " and ".join(parts)


# -- the text ------------------------------------------------------------------


def body(content: PullRequestContent, commit: str, moves: str) -> str:
    """The text of the pull request. The last line is the marker with ``commit`` and the identifier of the ``moves``.

    Long sections in the middle are cut; the summary and the instructions at the end are always complete.
    """
    lead = _lead(content)
    reproduction = section("Reproduce", _reproduce(content))
    skipping = section("Skip this update", _skip(content))
    # These must be complete: a command or a setting that is cut does something else.
    budget = BODY_LENGTH - len(lead) - len(reproduction) - len(skipping)
    middle = shortened(_sections(content), budget)
    marker = f"{mark(commit, moves)}\n"
    return "\n\n".join([lead, *middle, reproduction, skipping, marker])


def _sections(content: PullRequestContent) -> list[str]:
    stuck = [one for one in content.stuck if one.instead is None]
    # The section about versions that do not run says more.
    bounded = {bound.package for bound in content.bounds}
    older = [one for one in content.stuck if one.instead is not None and one.name not in bounded]
    sections = [
        section("Updates", _moves(content.moves)),
        section("Fixed vulnerabilities", _vulnerabilities(content.fixed)),
        section("Vulnerabilities in the new versions", _open_vulnerabilities(content.introduced, content.moves)),
        section("Remaining vulnerabilities", _open_vulnerabilities(content.remaining, content.moves)),
        section("Not updated", _stuck(stuck)),
        section("Not the latest version", _stuck(older)),
        section("Versions that do not run", proof_text.bounds(content.bounds)),
        section("Checks", proof_text.runs(content.runs)),
        section("Rebuilt images", _rebuilt(content)),
        section("Changes by image", _changes(content)),
        section("Sizes", _weights(content.weights)),
        section("Compatibility", _cells(content.cells)),
        section("Sizes and compatibility", _of_bases(content)),
        section("Releases", _links(content.links)),
    ]
    return [one for one in sections if one]


def _lead(content: PullRequestContent) -> str:
    named = _named(content.moves)
    names = ", ".join(_described(one) for one in named[:LISTED])
    if len(named) > LISTED:
        names += f" and {len(named) - LISTED} more"
    owners = [f"`{plain(owner)}`" for owner in _owners(content.moves)]
    if owners:
        names += f", pinned for {' and '.join(owners)} only"
    sentences = [f"Updates {names}."]
    sentences += _reasons(content)
    sentences.append(_images_changed(content))
    sentences.append(f"Resolved on `{content.base}`; `lockgen check` reports no findings.")
    sentences.append(proof_text.summary(content.runs))
    return " ".join(sentence for sentence in sentences if sentence)


def _described(one: _NamedMove) -> str:
    prefix = "the base image " if one.base else ""
    olds = " and ".join(plain(old) for old in one.olds)
    return f"{prefix}`{one.name}` from {olds} to {plain(one.new)}"


def _images_changed(content: PullRequestContent) -> str:
    tags = set(content.rebuilt)
    tags.update(image.tag for image in content.changes.images)
    tags.update(image.tag for image in content.changes.added)
    return f"{counted(len(tags), 'image changes', 'images change')}."


def _reasons(content: PullRequestContent) -> Iterable[str]:
    """Why these versions, whether later ones do not fit, and a warning about new vulnerabilities."""
    named = _named(content.moves)
    bounded = {bound.package for bound in content.bounds}
    passed = [one.name for one in content.stuck if one.instead is not None and one.name not in bounded]
    if content.fixed:
        yield f"This fixes {_count_of(content.fixed)}, is compatible with the family and allowed by [update]."
    elif all(one.base for one in named):
        yield _why_bases(without_cut_off(content.moves), len(named))
    elif bounded:
        yield "A later version resolves, but does not run: see below."
    elif not passed:
        yield _why_packages(len(named))
    if passed:
        # With a single package its name would only repeat the sentence before.
        names = " or ".join(f"`{plain(name)}`" for name in passed)
        yield f"A later {'version' if len(named) == 1 else names} is not compatible: see below."
    if content.introduced:
        yield f"**Warning: the new versions have {_count_of(content.introduced)}, see below.**"


def _count_of(vulnerabilities: Sequence[KnownVulnerability]) -> str:
    return counted(len(vulnerabilities), "known vulnerability", "known vulnerabilities")


def _why_packages(count: int) -> str:
    subject = "This is the latest release that is" if count == 1 else "These are the latest releases that are"
    return f"{subject} compatible with the family and allowed by [update]."


def _why_bases(moves: Iterable[MovedPin], count: int) -> str:
    if all(_tag(move.old) == _tag(move.new) for move in moves):
        return "The tag no longer points to the pinned digest."
    subject = "It is the latest tag" if count == 1 else "They are the latest tags"
    return f"{subject} of the same kind that [update] allows."


def _tag(value: str) -> str:
    return value.partition("@")[0]


# -- sections ------------------------------------------------------------------


def _moves(moves: Iterable[MovedPin]) -> list[str]:
    rows = []
    for move in unique_moves(moves):
        released = "-"
        if move.uploaded is not None:
            # In UTC, so that the text does not depend on the machine.
            released = f"{move.uploaded.astimezone(UTC):%Y-%m-%d}"
        cells = (move.name, move.old, move.new, move.step or "-", released)
        rows.append(table_row(plain(cell) for cell in cells))
    return ["| name | from | to | step | released |", "| --- | --- | --- | --- | --- |", *rows]


def _vulnerabilities(vulnerabilities: Iterable[KnownVulnerability]) -> list[str]:
    return [_vulnerability(one, None) for one in vulnerabilities]


def _open_vulnerabilities(vulnerabilities: Iterable[KnownVulnerability], moves: Iterable[MovedPin]) -> list[str]:
    """Vulnerabilities that the new versions have, each with the lowest version that fixes it."""
    new = {move.name: parse_version(move.new) for move in packages_of(moves) if move.new != "-"}
    lines = []
    for one in vulnerabilities:
        # A fix in an older series is not an upgrade.
        later = [fix for fix in one.fixed if one.package not in new or fix > new[one.package]]
        lines.append(_vulnerability(one, min(later, default=None)))
    return lines


def _vulnerability(one: KnownVulnerability, fix: Version | None) -> str:
    name = plain(one.name)
    if one.url is not None and is_address(one.url):
        name = f"[{name}]({one.url})"
    parts = [name]
    # OSV's "unknown" says nothing to a reader.
    if one.level not in ("", "unknown"):
        parts.append(plain(one.level))
    if fix is not None:
        parts.append(f"fixed in {plain(str(fix))}")
    summary = f": {plain(one.summary)}" if one.summary else ""
    return f"* {plain(one.package)}: {', '.join(parts)}{summary}"


def _stuck(stuck: Iterable[Stuck]) -> list[str]:
    lines: list[str] = []
    for one in stuck:
        if lines:
            lines.append("")
        wanted = plain(one.wanted)
        if one.instead is None:
            lines.append(f"{plain(one.name)} cannot be updated to {wanted}:")
        else:
            lines.append(f"{plain(one.name)} is updated to {plain(one.instead)} instead of {wanted}:")
        lines += ["", *explanation(one.why)]
    return lines


def _rebuilt(content: PullRequestContent) -> list[str]:
    """All images on a base image that moves, although their locks do not change."""
    if not content.rebuilt:
        return []
    return [", ".join(plain(tag) for tag in content.rebuilt)]


def _changes(content: PullRequestContent) -> list[str]:
    if content.rebuilt and not content.changes:
        return ["No package changes: only the base image is different."]
    return [rendering.markdown(content.changes).rstrip("\n")]


def _of_bases(content: PullRequestContent) -> list[str]:
    if not content.rebuilt or content.changes:
        return []
    return ["The lock does not record the size of base images, and the matrix does not depend on them."]


def _weights(weights: Sequence[Weight]) -> list[str]:
    """The size of each image before and after, and the difference; and the packages of unknown size."""
    if not weights:
        return []
    rows = []
    for weight in weights:
        cells = [
            plain(weight.tag),
            _size(weight.before, download),
            _size(weight.after, download),
            _size(weight.before, installed),
            _size(weight.after, installed),
            _difference(weight),
        ]
        rows.append(table_row(cells))
    head = "| image | download before | after | installed before | after | difference |"
    return [head, f"| --- |{' ---: |' * 5}", *rows, *_unknown_sizes(weights)]


def _unknown_sizes(weights: Iterable[Weight]) -> list[str]:
    found: set[str] = set()
    for weight in weights:
        for size in (weight.before, weight.after):
            if size is not None:
                found.update(size.unknown)
                found.update(size.unweighed)
    unknown = [plain(pin) for pin in sorted(found)]
    if not unknown:
        return []
    listed = ", ".join(unknown[:UNKNOWN_SHOWN])
    if len(unknown) > UNKNOWN_SHOWN:
        listed += f" and {len(unknown) - UNKNOWN_SHOWN} more"
    return ["", f"These are lower bounds: the size of {listed} is unknown and counts as zero."]


def _size(size: Bytes | None, render: Callable[[Bytes], str]) -> str:
    return "-" if size is None else render(size)


def _difference(weight: Weight) -> str:
    """The difference in installed size; "" if it depends on packages whose size is unknown."""
    if weight.before is None or weight.after is None or weight.before.unknown != weight.after.unknown:
        return ""
    more = weight.after.installed - weight.before.installed
    if not more:
        return "same"
    sign = "+" if more > 0 else "-"
    return f"{sign}{megabytes(abs(more))}"


def _cells(cells: tuple[CellChange, ...] | None) -> list[str]:
    if cells is None:
        return []
    if not cells:
        return ["No cell of the matrix contains these images."]
    changed = [cell for cell in cells if cell.before != cell.after]
    lines = [f"{len(cells) - len(changed)} of {counted(len(cells), 'cell is', 'cells are')} unchanged."]
    if changed:
        lines += ["", "| cell | images | before | after | why |", "| --- | --- | --- | --- | --- |"]
        lines += [table_row(_cell(cell)) for cell in changed]
    return lines


def _cell(cell: CellChange) -> tuple[str, ...]:
    return plain(cell.cell), plain(cell.group), _status(cell.before), _status(cell.after), plain(cell.reason)


def _status(status: str | None) -> str:
    """The status of a cell. "changes" alone would read as an effect of the update, and "yes" as if it ran."""
    if status is None:
        return "-"
    return {"yes": "resolves", "changes": "with changes"}.get(status, status)


def _links(links: Iterable[ReleaseNotes]) -> list[str]:
    safe = [link for link in links if is_address(link.url)]
    return [f"* {plain(link.package)}: [{plain(link.label)}]({link.url})" for link in safe]


# -- instructions --------------------------------------------------------------


def reproduce(moves: Iterable[MovedPin]) -> str:
    """The `lockgen bump` command that makes the same moves."""
    made = unique_moves(moves)
    cut_offs: list[str] = []
    variants: list[str] = []
    bases: list[str] = []
    for move in made:
        if move.kind == "cut-off":
            cut_offs.append(f"--exclude-newer {move.new}")
        elif move.kind == "pin":
            variants += [f"--variant {variant}" for variant in move.variants]
        elif move.kind == "base":
            bases += [f"--base {variant}={move.name}:{move.new}" for variant in move.variants]
    options = dict.fromkeys([*cut_offs, *variants, *bases])
    return " ".join(["lockgen bump", *options, *_bump_requests(packages_of(made))])


def _bump_requests(moves: Sequence[MovedPin]) -> Iterable[str]:
    """Each package once. torch for two accelerators has its public version: bump finds the builds."""
    kinds = {move.name: move.kind for move in moves}
    for name, kind in kinds.items():
        # A package without a pin has no version to name: bump resolves it again.
        if kind != "pin":
            yield name
            continue
        version = _in_common(move.new for move in moves if move.name == name)[0]
        yield f"{name}=={version}"


def _reproduce(content: PullRequestContent) -> list[str]:
    lines = [shlex.join(["git", "switch", content.base])]
    if content.project != ".":
        lines.append(shlex.join(["cd", content.project]))
    lines.append(reproduce(content.moves))
    if content.cells is not None:
        # The matrix must be filled before `check` compares it.
        lines.append("lockgen compat")
    lines.append("lockgen check")
    return code_block("sh", lines)


def _skip(content: PullRequestContent) -> list[str]:
    packages = _ignored_packages(content.moves)
    images = _ignored_images(content.moves)
    entries = list(dict.fromkeys([*packages, *images]))
    lines = [
        "Close this pull request: these moves are not proposed again, newer ones are. To skip them for longer, add to "
        "`[update]` in versions.toml, or to an existing `ignore`:",
        "",
        *code_block("toml", _ignore_setting(entries)),
        "",
    ]
    whole = [f"`{plain(move.name)}`" for move in without_cut_off(content.moves) if _is_whole(move)]
    if whole:
        names = " and ".join(dict.fromkeys(whole))
        lines += [f"Digests have no order, so this ignores every update of {names}.", ""]
    lines.append("If you push a commit to this branch, lockgen no longer changes this branch.")
    return lines


def _ignore_setting(entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    if len(entries) == 1:
        return [f"ignore = [{entries[0]}]"]
    return ["ignore = [", *(f"  {entry}," for entry in entries), "]"]


def _ignored_packages(moves: Iterable[MovedPin]) -> Iterable[str]:
    """An entry for each package. A variant's own pin is ignored for that variant only: the others may update it."""
    first: dict[str, MovedPin] = {}
    for move in packages_of(moves):
        first.setdefault(move.name, move)
    for name, move in first.items():
        # The other packages of torch's family follow torch.
        follows = name in FAMILY[1:] and FAMILY[0] in first
        if move.new == "-" or follows:
            continue
        # Ignore rules compare public versions.
        version = move.new.partition("+")[0]
        if not move.variants:
            yield f'{{ package = "{name}", versions = ">={version}" }}'
        for variant in move.variants:
            yield f'{{ package = "{name}", variant = "{variant}", versions = ">={version}" }}'


def _ignored_images(moves: Iterable[MovedPin]) -> Iterable[str]:
    """An entry for each base image, by the number in its tag if that is what moves."""
    for move in without_cut_off(moves):
        if move.kind != "base":
            continue
        versions = "" if _is_whole(move) else f', versions = ">={move.number}"'
        yield f'{{ base-image = "{move.name}"{versions} }}'


def _is_whole(move: MovedPin) -> bool:
    """Whether only the whole base image can be ignored: if just its digest moves, as digests have no order."""
    if move.kind != "base":
        return False
    return not move.number or _tag(move.old) == _tag(move.new)


# -- markers and later changes -------------------------------------------------


def mark(commit: str, moves: str) -> str:
    """The marker by which lockgen recognizes its own text."""
    return f"<!-- {MARK} commit={commit} moves={moves} -->"


def marks(text: str) -> tuple[str | None, str | None]:
    """The commit and the moves in the marker of a text; (None, None) if lockgen did not write it."""
    found = _MARK.findall(text)
    # The last one counts: an explanation further up may contain a forged marker.
    return found[-1] if found else (None, None)


def closing_marker(request: PullRequest) -> str:
    """The marker of lockgen's closing comment on ``request``.

    It names the commit, as a reopened pull request with another commit gets another comment.
    """
    return f"<!-- lockgen-closed commit={request.mark or '-'} -->"


def closed_text(text: str, reason: str) -> str:
    """``text`` with the reason why lockgen closes the pull request. Idempotent."""
    if CLOSED in text:
        return text
    return f"{plain(reason)}\n\n{CLOSED}\n\n{text}"


def as_comment(reason: str) -> str:
    """``reason`` as a comment, without any markup."""
    return plain(reason)


def outdated(text: str, why: str, base: str) -> str:
    """``text`` with a notice that it no longer resolves on ``base``, and ``why``. Idempotent."""
    rest = text.partition(OUTDATED)[2].lstrip() or text
    # Without its commit the text counts as out of date once the update resolves again.
    unmarked = _MARK.sub(lambda found: mark(NO_COMMIT, found[2]), rest)
    reason = why.replace(OUTDATED, "").strip()
    if len(reason) > REASON_LENGTH:
        reason = f"{reason[:REASON_LENGTH]} …"
    notice = f"**This update was resolved on an older `{base}`. It does not resolve on the current one:**"
    return "\n".join([notice, "", *explanation(reason), "", OUTDATED, "", unmarked])
