"""A pull request of `lockgen update`: its title and its text. Pure, from a Story.

Names, versions and URLs come from indexes and packages: they are escaped, so that none of them becomes a mention, a
link, an image or a command to the forge.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from urllib.parse import urlsplit

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.sizes import Bytes, Weight
from lockgen.core.text_table import megabytes
from lockgen.core.update_policy import STEPS
from lockgen.diff import render as rendering
from lockgen.index.model import ReleaseNotes
from lockgen.size.render import download, installed
from lockgen.update.model import SECURITY, CellChange, KnownVulnerability, MovedPin, PullRequestContent, Stuck

MARK = "lockgen-update"
CLOSED = "<!-- lockgen-closed -->"
"""In the text of a pull request that lockgen closed itself: no person declined it."""

TITLE_LENGTH = 120
WORDS_SHOWN = 30
"""How many lines of an explanation a pull request shows."""
LISTED = 20
"""How many packages the first sentence names."""
BODY_LENGTH = 60_000
"""GitHub takes 65,536 characters."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@&])")
_ADDRESS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.")
_DIGEST = re.compile(r"@sha256:([0-9a-f]{12})[0-9a-f]*$")
_FENCE = re.compile(r"`{3,}")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/%?=&+,;:@!$-]*)?")


def title(story: PullRequestContent) -> str:
    """One line that a reviewer understands: what moves from where to where, and that it mends a vulnerability."""
    security = SECURITY if story.advisories else ""
    named = _named(story.moves)
    owners = _owners(story.moves)
    whose = f" ({', '.join(owners)})" if owners else ""
    if len(named) == 1 and len(named[0].olds) == 1:
        text = f"{named[0].name} {named[0].olds[0]} -> {named[0].new}{whose}"
    elif len(named) <= 3:
        text = ", ".join(f"{one.name} {one.new}" for one in named) + whose
    else:
        # The line is cut at its end: what a reviewer has to look at is at its beginning.
        listed = ", ".join(f"{one.name} {one.new}" for one in sorted(named, key=lambda one: (-one.reach, one.name)))
        text = f"{story.group}: {_counted(named)}{whose} ({listed})"
    line = f"{security}update {text}"
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1].rsplit(' ', 1)[0]}…"


@dataclass(frozen=True, slots=True)
class _Named:
    """A package, or a base image with where it goes, told once however many tables or tags move.

    ``reach`` is how far its biggest step goes, 0 where nobody knows.
    """

    name: str
    olds: tuple[str, ...]
    new: str
    base: bool
    reach: int


def _named(moves: Iterable[MovedPin]) -> list[_Named]:
    found: dict[tuple[str, str], list[MovedPin]] = {}
    for move in values_of(moves):
        found.setdefault((move.name, move.new if move.kind == "base" else ""), []).append(move)
    return [
        _Named(
            name,
            tuple(map(_short, _in_common(move.old for move in those))),
            _short(_in_common(move.new for move in those)[0]),
            those[0].kind == "base",
            max(STEPS.index(move.step) + 1 if move.step is not None else 0 for move in those),
        )
        for (name, _), those in found.items()
    ]


def _in_common(values: Iterable[str]) -> list[str]:
    """The versions, each once; where they differ without their local parts, as torch's of two accelerators do."""
    once = list(dict.fromkeys(values))
    return once if len(once) == 1 else list(dict.fromkeys(value.partition("+")[0] for value in once))


def values_of(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """The moves of packages and base images, each once."""
    return [move for move in once(moves) if move.kind != "cut-off"]


def packages_of(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """The moves of packages, each once."""
    return [move for move in values_of(moves) if move.kind != "base"]


def _counted(named: Sequence[_Named]) -> str:
    images = sum(one.base for one in named)
    parts = [(len(named) - images, "package"), (images, "base image")]
    return " and ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in parts if count)


def _owners(moves: Iterable[MovedPin]) -> tuple[str, ...]:
    """Of variants' own pins: whose they are."""
    return next((move.variants for move in moves if move.kind == "pin" and move.variants), ())


def _short(value: str) -> str:
    """A digest by its first twelve digits, as people tell them apart; anything else as it is."""
    return _DIGEST.sub(r"@\1", value)


def once(moves: Iterable[MovedPin]) -> list[MovedPin]:
    """A package that several tables pin moves once, where it moves alike."""
    return list(dict.fromkeys(moves))


# -- the text ------------------------------------------------------------------


def body(story: PullRequestContent, commit: str, moves: str) -> str:
    """The text of the pull request; its last line is for lockgen: which commit it tells of, and which moves.

    What it moves and what to do about it is told whole, whatever else there is to tell.
    """
    lead = _lead(story)
    last = [_section("To reproduce", _reproduce(story)), _section("To leave it out", _ignore(story))]
    told = _within(_sections(story), BODY_LENGTH - sum(map(len, [lead, *last])))
    return "\n\n".join([lead, *told, *last, f"{mark(commit, moves)}\n"])


def _sections(story: PullRequestContent) -> list[str]:
    sections = [
        _section("Moves", _moves(story.moves)),
        _section("Vulnerabilities that end", _weaknesses(story.advisories)),
        _section("Vulnerabilities of the new versions", _weaknesses(story.introduced, story.moves)),
        _section("Vulnerabilities that stay", _weaknesses(story.remaining, story.moves)),
        _section("Left where they are", _stuck(one for one in story.stuck if one.instead is None)),
        _section("Not the newest", _stuck(one for one in story.stuck if one.instead is not None)),
        _section("Images that are built anew", _rebuilt(story)),
        _section("What changes, image by image", _changes(story)),
        _section("Sizes", _weights(story.weights)),
        _section("Compatibility", _cells(story.cells)),
        _section("Sizes and compatibility", _of_bases(story)),
        _section("Releases", _links(story.links)),
    ]
    return [section for section in sections if section]


def _within(blocks: Sequence[str], budget: int) -> list[str]:
    """The blocks, the longest of them cut to one length, so that all together keep to ``budget`` characters."""
    left, share = budget - 2 * len(blocks), max(map(len, blocks), default=0)
    for position, length in enumerate(sorted(map(len, blocks))):
        rest = len(blocks) - position
        if length * rest > left:
            share = max(left, 0) // rest
            break
        left -= length
    return [block if len(block) <= share else _cut(block, share) for block in blocks]


_NOTE = 100
"""More characters than the sign of what was cut has, with the fence before it."""


def _cut(block: str, length: int) -> str:
    """The first lines of ``block``, its heading at least, and how many were left out."""
    lines, kept, fence, used = block.split("\n"), 1, "", len(block.split("\n", 1)[0])
    while used + 1 + len(lines[kept]) <= length - _NOTE - len(fence):
        # A code block that was cut open would swallow what follows.
        opened = _FENCE.match(lines[kept])
        fence = "" if lines[kept] == fence else fence or (opened[0] if opened is not None else "")
        used += 1 + len(lines[kept])
        kept += 1
    more = _more_lines(len(lines) - kept)
    return "\n".join([*lines[:kept], *([fence] if fence else []), "", f"{more} of this section, which is too long."])


def _more_lines(count: int) -> str:
    return f"… and {count} more line{'s' if count > 1 else ''}"


def mark(commit: str, moves: str) -> str:
    """The line by which lockgen knows its own text again."""
    return f"<!-- {MARK} commit={commit} moves={moves} -->"


_MARK = re.compile(rf"<!-- {MARK} commit=([0-9a-f]{{40,64}}) moves=([0-9a-f]*) -->")


def marks(text: str) -> tuple[str | None, str | None]:
    """The commit and the moves that a text tells of; (None, None) where it is not lockgen's."""
    found = _MARK.findall(text)
    return found[-1] if found else (None, None)


def closing(text: str, word: str) -> str:
    """``text`` with the word by which lockgen closes the pull request; twice is once."""
    return text if CLOSED in text else f"{_plain(word)}\n\n{CLOSED}\n\n{text}"


def _lead(story: PullRequestContent) -> str:
    named = _named(story.moves)
    names = ", ".join(map(_told, named[:LISTED])) + (f" and {len(named) - LISTED} more" if len(named) > LISTED else "")
    tags = [*(image.tag for image in story.changes.images), *(image.tag for image in story.changes.added)]
    images = len({*tags, *story.rebuilt})
    which = "1 image changes" if images == 1 else f"{images} images change"
    proved = f"This was resolved on `{story.base}`, and `lockgen check` finds nothing in it."
    owners = " and ".join(f"`{_plain(owner)}`" for owner in _owners(story.moves))
    whose = f", pinned for {owners} alone" if owners else ""
    return " ".join([f"Moves {names}{whose}.", *_why(story), f"{which}.", proved])


def _told(one: _Named) -> str:
    what = "the base image " if one.base else ""
    return f"{what}`{one.name}` {' and '.join(map(_plain, one.olds))} to {_plain(one.new)}"


def _why(story: PullRequestContent) -> Iterable[str]:
    """Why these, whether newer ones do not fit, and a warning of what the new versions bring."""
    named = _named(story.moves)
    passed = [one.name for one in story.stuck if one.instead is not None]
    if story.advisories:
        yield f"This ends {_vulnerabilities(story.advisories)}, and fits the family and [update]."
    elif all(one.base for one in named):
        yield _why_bases(values_of(story.moves), len(named))
    elif not passed:
        which = "These are the newest releases that fit" if len(named) > 1 else "This is the newest release that fits"
        yield f"{which} the family and [update]."
    if passed:
        newer = "one" if len(named) == 1 else " or ".join(f"`{_plain(name)}`" for name in passed)
        yield f"A newer {newer} does not fit: see below."
    if story.introduced:
        yield f"**Beware: what it moves to has {_vulnerabilities(story.introduced)}, see below.**"


def _vulnerabilities(weaknesses: Sequence[KnownVulnerability]) -> str:
    count = len(weaknesses)
    return f"{count} known vulnerabilit{'y' if count == 1 else 'ies'}"


def _why_bases(moves: Iterable[MovedPin], count: int) -> str:
    if all(_tag(move.old) == _tag(move.new) for move in moves):
        return "The tag is another image now than the one whose digest is pinned."
    one = "It is the newest tag" if count == 1 else "They are the newest tags"
    return f"{one} of the same kind that [update] allows."


def _tag(value: str) -> str:
    return value.partition("@")[0]


def _rebuilt(story: PullRequestContent) -> list[str]:
    """Everything that stands on a base image that moves; what a lock says of it stays."""
    return [", ".join(map(_plain, story.rebuilt))] if story.rebuilt else []


def _changes(story: PullRequestContent) -> list[str]:
    if story.rebuilt and not story.changes:
        return ["No package changes: what is installed on the base image stays the same."]
    return [rendering.markdown(story.changes).rstrip("\n")]


def _of_bases(story: PullRequestContent) -> list[str]:
    if not story.rebuilt or story.changes:
        return []
    return ["The lock does not know the size of a base image, and no cell of the matrix depends on it."]


def _section(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"### {name}", "", *lines]) if lines else ""


def _moves(moves: Iterable[MovedPin]) -> list[str]:
    rows = [f"| {' | '.join(map(_plain, _row(move)))} |" for move in once(moves)]
    return ["| what | from | to | step | released |", "| --- | --- | --- | --- | --- |", *rows]


def _row(move: MovedPin) -> tuple[str, ...]:
    released = f"{move.uploaded.astimezone(UTC):%Y-%m-%d}" if move.uploaded is not None else "-"
    return move.name, move.old, move.new, move.step or "-", released


def _weaknesses(weaknesses: Iterable[KnownVulnerability], moves: Iterable[MovedPin] | None = None) -> list[str]:
    """A line for each; with ``moves``, which do not end them, the lowest version that does."""
    new = {move.name: Version(move.new) for move in packages_of(moves or ()) if move.new != "-"}
    lines = []
    for weakness in weaknesses:
        name = f"[{_plain(weakness.name)}]({weakness.url})" if is_address(weakness.url or "") else _plain(weakness.name)
        said = [name, *([_plain(weakness.level)] if weakness.level not in ("", "unknown") else [])]
        # It may have been mended in an older series, too: that is no way on.
        later = [one for one in weakness.fixed if weakness.package not in new or one > new[weakness.package]]
        if later and moves is not None:
            said.append(f"ended by {_plain(str(min(later)))}")
        summary = f": {_plain(weakness.summary)}" if weakness.summary else ""
        lines.append(f"* {_plain(weakness.package)}: {', '.join(said)}{summary}")
    return lines


def _stuck(stuck: Iterable[Stuck]) -> list[str]:
    lines: list[str] = []
    for one in stuck:
        instead = f"goes to {_plain(one.instead)} and not" if one.instead is not None else "does not go"
        lines += [f"{_plain(one.name)} {instead} to {_plain(one.wanted)}:", "", *fenced(one.why), ""]
    return lines[:-1]


def fenced(text: str) -> list[str]:
    """``text`` as a block of code, its first lines where it has many."""
    lines = text.strip("\n").splitlines()
    more = len(lines) - WORDS_SHOWN
    return _block("text", [*lines[:WORDS_SHOWN], *([_more_lines(more)] if more > 0 else [])])


def _block(language: str, lines: Sequence[str]) -> list[str]:
    """A block of code that no line of its own can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def _weights(weights: Sequence[Weight]) -> list[str]:
    """Each image before and after, and the difference; what nobody knows the size of is named."""
    if not weights:
        return []
    rows = []
    for weight in weights:
        both = (_size(weight.before, download), _size(weight.after, download))
        cells = (*both, _size(weight.before, installed), _size(weight.after, installed), _more(weight))
        rows.append(f"| {_plain(weight.tag)} | {' | '.join(cells)} |")
    lines = [
        "| image | download before | after | installed before | after | difference |",
        f"| --- |{' ---: |' * 5}",
        *rows,
    ]
    found = [size for weight in weights for size in (weight.before, weight.after) if size is not None]
    unknown = sorted({pin for size in found for pin in (*size.unknown, *size.unweighed)})
    if unknown:
        listed = ", ".join(map(_plain, unknown[:5])) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        lines += ["", f"At least: the size of {listed} is not known, and counts as nothing."]
    return lines


def _size(size: Bytes | None, said: Callable[[Bytes], str]) -> str:
    return "-" if size is None else said(size)


def _more(weight: Weight) -> str:
    """How much more is installed, where what is unknown is the same before and after."""
    if weight.before is None or weight.after is None or weight.before.unknown != weight.after.unknown:
        return ""
    more = weight.after.installed - weight.before.installed
    return "same" if not more else f"{'+' if more > 0 else '-'}{megabytes(abs(more))}"


def _cells(cells: tuple[CellChange, ...] | None) -> list[str]:
    if cells is None:
        return []
    if not cells:
        return ["No cell of the matrix has these images."]
    differing = [cell for cell in cells if cell.before != cell.after]
    same = len(cells) - len(differing)
    lines = [f"{same} of {len(cells)} cells are as before."]
    if differing:
        rows = [f"| {' | '.join(_cell(cell))} |" for cell in differing]
        lines += ["", "| cell | images | before | after | why |", "| --- | --- | --- | --- | --- |", *rows]
    return lines


def _cell(cell: CellChange) -> tuple[str, ...]:
    return _plain(cell.cell), _plain(cell.group), _status(cell.before), _status(cell.after), _plain(cell.reason)


def _status(status: str | None) -> str:
    """ "changes" alone would read as what the update does."""
    return {None: "-", "changes": "with changes"}.get(status) or str(status)


def is_address(url: str) -> bool:
    """Whether ``url`` is a plain web address that can stand in Markdown as it is."""
    try:
        return bool(_URL.fullmatch(url)) and len(url) <= 500 and urlsplit(url).username is None
    except ValueError:
        return False


def _links(links: Iterable[ReleaseNotes]) -> list[str]:
    return [f"* {_plain(link.package)}: [{_plain(link.label)}]({link.url})" for link in links if is_address(link.url)]


def reproduce(moves: Iterable[MovedPin]) -> str:
    """The command that makes the same moves."""
    made = once(moves)
    pins = [move for move in made if move.kind == "pin"]
    bases = [move for move in made if move.kind == "base"]
    options = [f"--exclude-newer {move.new}" for move in made if move.kind == "cut-off"]
    options += [f"--variant {variant}" for move in pins for variant in move.variants]
    options += [f"--base {variant}={move.name}:{move.new}" for move in bases for variant in move.variants]
    return " ".join(["lockgen bump", *dict.fromkeys(options), *_wishes(packages_of(made))])


def _wishes(moves: Sequence[MovedPin]) -> Iterable[str]:
    """Each package once: of torch for two accelerators the public version, of which bump finds the builds."""
    for name, kind in {move.name: move.kind for move in moves}.items():
        version = _in_common(move.new for move in moves if move.name == name)[0]
        yield f"{name}=={version}" if kind == "pin" else name


def _reproduce(story: PullRequestContent) -> list[str]:
    lines = [shlex.join(["git", "switch", story.base])]
    lines += [shlex.join(["cd", story.project])] if story.project != "." else []
    lines += [reproduce(story.moves), *(["lockgen compat"] if story.cells is not None else []), "lockgen check"]
    return _block("sh", lines)


def _ignore(story: PullRequestContent) -> list[str]:
    entries = list(dict.fromkeys([*_left_out_packages(story.moves), *_left_out_images(story.moves)]))
    whole = dict.fromkeys(f"`{_plain(move.name)}`" for move in values_of(story.moves) if _is_whole(move))
    note = f"A digest has no order: this leaves out every update of {' and '.join(whole)}."
    return [
        "Close this: these moves are not proposed again, newer ones are. For longer, add to `[update]` "
        "in versions.toml, to the `ignore` that it may have:",
        "",
        "```toml",
        *(["ignore = [", *(f"  {entry}," for entry in entries), "]"] if len(entries) > 1 else []),
        *([f"ignore = [{entry}]" for entry in entries] if len(entries) == 1 else []),
        "```",
        "",
        *([note, ""] if whole else []),
        "A commit of yours on this branch stays: lockgen then leaves the branch alone.",
    ]


def _left_out_packages(moves: Iterable[MovedPin]) -> Iterable[str]:
    """Each once; a variant's own pin for that variant only, as the others may have what it may not."""
    first: dict[str, MovedPin] = {}
    for move in packages_of(moves):
        first.setdefault(move.name, move)
    for name, move in first.items():
        # torch's family goes where torch goes.
        if move.new == "-" or (name in FAMILY[1:] and FAMILY[0] in first):
            continue
        for owner in [f', variant = "{variant}"' for variant in move.variants] or [""]:
            yield f'{{ package = "{name}"{owner}, versions = ">={move.new.partition("+")[0]}" }}'


def _left_out_images(moves: Iterable[MovedPin]) -> Iterable[str]:
    """By the number in the tag, where that is what moves."""
    for move in values_of(moves):
        if move.kind == "base":
            versions = "" if _is_whole(move) else f', versions = ">={move.number}"'
            yield f'{{ base-image = "{move.name}"{versions} }}'


def _is_whole(move: MovedPin) -> bool:
    """Whether nothing but the whole base image can be left out: a digest moves, and has no order."""
    return move.kind == "base" and (not move.number or _tag(move.old) == _tag(move.new))


def _plain(text: str) -> str:
    """``text`` as words of one line: nothing in it is Markdown, a mention or a table's border."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    # Between a backslash and a letter nothing helps against @name and #1 on GitHub but a character of no width.
    escaped = _SPECIAL.sub(r"\\\1", words).replace("\\@", "@\u200b").replace("\\#", "#\u200b")
    return _ADDRESS.sub(lambda found: f"{found[0]}\u200b", escaped)


# -- what becomes of one later -------------------------------------------------

OUTDATED = "<!-- lockgen-outdated -->"
"""Ends the word that stands before a text which is not true any more."""
REASON_LENGTH = 3_000
NO_COMMIT = "0" * 40
"""In the place of a commit: a text with it is of none, so the next success writes it anew."""


def outdated(text: str, why: str, base: str) -> str:
    """``text`` with the word before it that it is not so any more on ``base``, and ``why``; twice is once."""
    rest = text.partition(OUTDATED)[2].lstrip() or text
    told = _MARK.sub(lambda found: mark(NO_COMMIT, found[2]), rest)
    reason = why.replace(OUTDATED, "").strip()
    cut = reason if len(reason) <= REASON_LENGTH else f"{reason[:REASON_LENGTH]} …"
    word = f"**This was resolved on an older `{base}`; on that of today it cannot be made again:**"
    return "\n".join([word, "", *fenced(cut), "", OUTDATED, "", told])


def spoken(word: str) -> str:
    """``word`` as a comment: nothing in it is Markdown or a mention."""
    return _plain(word)
