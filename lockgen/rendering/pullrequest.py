"""A pull request of `lockgen update`: its title, its text, and the message of its commit. Pure, from a Story.

Names, versions and URLs come from indexes and packages: they are escaped, so that none of them becomes a mention, a
link, an image or a command to the forge.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from lockgen.model.accelerator import FAMILY
from lockgen.model.sizes import Bytes, Weight
from lockgen.model.update import SECURITY, CellChange, Head, Link, Made, Moved, Story, Stuck, Told, Waiting, Weakness
from lockgen.rendering import changes as rendering
from lockgen.rendering.sizes import download, installed
from lockgen.rendering.tables import megabytes

SEAL = "Lockgen-Seal"
MADE = "Lockgen-Update"
MARK = "lockgen-update"
CLOSED = "<!-- lockgen-closed -->"
"""In the text of a pull request that lockgen closed itself: no person declined it."""

TITLE_LENGTH = 120
WORDS_SHOWN = 30
"""How many lines of an explanation a pull request shows."""
BODY_LENGTH = 60_000
"""GitHub takes 65,536 characters."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@&])")
_ADDRESS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.")
_DIGEST = re.compile(r"@sha256:([0-9a-f]{12})[0-9a-f]*$")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/%?=&+,;:@!$-]*)?")


def title(story: Story) -> str:
    """One line that a reviewer understands: what moves from where to where, and that it mends a vulnerability."""
    security = SECURITY if story.advisories else ""
    moves = values_of(story.moves)
    owners = _owners(story.moves)
    whose = f" ({', '.join(owners)})" if owners else ""
    if len(moves) == 1:
        move = moves[0]
        text = f"{move.name} {_short(move.old)} -> {_short(move.new)}{whose}"
    elif len(moves) <= 3:
        text = ", ".join(f"{move.name} {_short(move.new)}" for move in moves) + whose
    else:
        listed = ", ".join(f"{move.name} {_short(move.new)}" for move in moves)
        text = f"{story.group}: {_counted(moves)}{whose} ({listed})"
    line = f"{security}update {text}"
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1].rsplit(' ', 1)[0]}…"


def values_of(moves: Iterable[Moved]) -> list[Moved]:
    """The moves of packages and base images, each once."""
    return [move for move in _once(moves) if move.kind != "cut-off"]


def packages_of(moves: Iterable[Moved]) -> list[Moved]:
    """The moves of packages, each once."""
    return [move for move in values_of(moves) if move.kind != "base"]


def _counted(moves: Sequence[Moved]) -> str:
    images = sum(move.kind == "base" for move in moves)
    parts = [(len(moves) - images, "package"), (images, "base image")]
    return " and ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in parts if count)


def _owners(moves: Iterable[Moved]) -> tuple[str, ...]:
    """Of variants' own pins: whose they are."""
    return next((move.variants for move in moves if move.kind == "pin" and move.variants), ())


def _short(value: str) -> str:
    """A digest by its first twelve digits, as people tell them apart; anything else as it is."""
    return _DIGEST.sub(r"@\1", value)


def _once(moves: Iterable[Moved]) -> list[Moved]:
    """A package that several tables pin moves once, where it moves alike."""
    return list(dict.fromkeys(moves))


def message(story: Story, key: str, moves: str, project: str, tree: str, parent: str) -> str:
    """The message of the commit, sealed: see ``seal``."""
    lines = [f"{move.name}: {move.old} -> {move.new}" for move in _once(story.moves)]
    made = json.dumps({"project": project, "group": story.group, "key": key, "moves": moves}, sort_keys=True)
    return sealed("\n".join([title(story), "", *lines, "", f"{MADE}: {made}"]), tree, parent)


def seen_message(project: str, group: str, key: str, tree: str, parent: str) -> str:
    """The message of the commit that keeps when releases were first seen."""
    made = json.dumps({"project": project, "group": group, "key": key, "moves": ""}, sort_keys=True)
    told = "`lockgen update` keeps here when it first saw releases of indexes that do not say when they were uploaded."
    return sealed("\n".join(["releases seen", "", told, "", f"{MADE}: {made}"]), tree, parent)


def sealed(text: str, tree: str, parent: str) -> str:
    """``text`` with a last line that names its own words, the tree and the parent: any change to one of them shows."""
    return f"{text}\n{SEAL}: {seal(text, tree, parent)}\n"


def seal(text: str, tree: str, parent: str) -> str:
    """The seal of a commit, 64 hex digits."""
    return hashlib.sha256("\0".join([text, tree, parent]).encode()).hexdigest()


def made_of(head: Head) -> Made | None:
    """What a commit of lockgen's own says; None for any other, and for one of lockgen's that somebody changed."""
    text, _, end = head.message.rstrip("\n").rpartition(f"\n{SEAL}: ")
    if len(head.parents) != 1 or end.strip() != seal(text, head.tree, head.parents[0]):
        return None
    line = text.rpartition(f"\n{MADE}: ")[2]
    try:
        data = json.loads(line)
        found = [data[name] for name in ("project", "group", "key", "moves")]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Made(*found) if all(isinstance(value, str) for value in found) else None


# -- the text ------------------------------------------------------------------


def body(story: Story, commit: str, moves: str) -> str:
    """The text of the pull request; its last line is for lockgen: which commit it tells of, and which moves."""
    blocks = [
        _lead(story),
        _section("Moves", _moves(story.moves)),
        _section("Vulnerabilities that end", _weaknesses(story.advisories)),
        _section("Left where they are", _stuck(story.stuck)),
        _section("Images that are built anew", _rebuilt(story)),
        _section("What changes, image by image", _changes(story)),
        _section("Sizes", _weights(story.weights)),
        _section("Compatibility", _cells(story.cells)),
        _section("Releases", _links(story.links)),
        _section("To reproduce", _reproduce(story)),
        _section("To leave it out", _ignore(story)),
    ]
    text = "\n\n".join(block for block in blocks if block)
    if len(text) > BODY_LENGTH:
        cut = text[:BODY_LENGTH].rsplit("\n", 1)[0]
        # A code block that was cut open would swallow what follows.
        text = cut + ("\n```" if cut.count("```") % 2 else "") + "\n\n… `lockgen diff` shows the rest."
    return f"{text}\n\n{mark(commit, moves)}\n"


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


def _lead(story: Story) -> str:
    names = ", ".join(_told(move) for move in values_of(story.moves))
    tags = [*(image.tag for image in story.changes.images), *(image.tag for image in story.changes.added)]
    images = len({*tags, *story.rebuilt})
    which = "1 image changes" if images == 1 else f"{images} images change"
    proved = f"This was resolved on `{story.base}`, and `lockgen check` finds nothing in it."
    owners = " and ".join(f"`{_plain(owner)}`" for owner in _owners(story.moves))
    whose = f", pinned for {owners} alone" if owners else ""
    return f"Moves {names}{whose}. {_why(story)} {which}. {proved}"


def _told(move: Moved) -> str:
    what = "the base image " if move.kind == "base" else ""
    return f"{what}`{move.name}` {_plain(_short(move.old))} to {_plain(_short(move.new))}"


def _why(story: Story) -> str:
    moves, known = values_of(story.moves), len(story.advisories)
    if known:
        ended = "1 known vulnerability" if known == 1 else f"{known} known vulnerabilities"
        return f"This ends {ended}, and fits the family and [update]."
    if all(move.kind == "base" for move in moves):
        if all(_tag(move.old) == _tag(move.new) for move in moves):
            return "The tag is another image now than the one whose digest is pinned."
        one = len(moves) == 1
        return f"{'It is the newest tag' if one else 'They are the newest tags'} of the same kind that [update] allows."
    if len(moves) > 1:
        return "These are the newest releases that fit the family and [update]."
    return "This is the newest release that fits the family and [update]."


def _tag(value: str) -> str:
    return value.partition("@")[0]


def _rebuilt(story: Story) -> list[str]:
    """Everything that stands on a base image that moves; what a lock says of it stays."""
    return [", ".join(map(_plain, story.rebuilt))] if story.rebuilt else []


def _changes(story: Story) -> list[str]:
    if story.rebuilt and not story.changes:
        return ["No package changes: what is installed on the base image stays the same."]
    return [rendering.markdown(story.changes).rstrip("\n")]


def _section(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"### {name}", "", *lines]) if lines else ""


def _moves(moves: Iterable[Moved]) -> list[str]:
    rows = [f"| {_plain(move.name)} | {_plain(move.old)} | {_plain(move.new)} |" for move in _once(moves)]
    return ["| what | from | to |", "| --- | --- | --- |", *rows]


def _weaknesses(weaknesses: Iterable[Weakness]) -> list[str]:
    lines = []
    for weakness in weaknesses:
        name = f"[{_plain(weakness.name)}]({weakness.url})" if is_address(weakness.url or "") else _plain(weakness.name)
        said = [name, *([_plain(weakness.level)] if weakness.level not in ("", "unknown") else [])]
        if weakness.fixed:
            said.append(f"ended by {_plain(str(min(weakness.fixed)))}")
        summary = f": {_plain(weakness.summary)}" if weakness.summary else ""
        lines.append(f"* {_plain(weakness.package)}: {', '.join(said)}{summary}")
    return lines


def _stuck(stuck: Iterable[Stuck]) -> list[str]:
    lines: list[str] = []
    for one in stuck:
        lines += [f"{_plain(one.name)} does not go to {_plain(one.wanted)}:", "", *fenced(one.why), ""]
    return lines[:-1]


def fenced(text: str) -> list[str]:
    """``text`` as a block of code that no line of its own can end."""
    lines = text.strip("\n").splitlines()[:WORDS_SHOWN]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence]


def _weights(weights: Sequence[Weight]) -> list[str]:
    """Each image before and after, and the difference; what nobody knows the size of is named."""
    if not weights:
        return []
    rows = []
    for weight in weights:
        both = (_size(weight.before, download), _size(weight.after, download))
        cells = (*both, _size(weight.before, installed), _size(weight.after, installed), _more(weight))
        rows.append(f"| {_plain(weight.tag)} | {' | '.join(cells)} |")
    lines = ["| image | download before | after | installed before | after | |", f"| --- |{' ---: |' * 5}", *rows]
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


def _links(links: Iterable[Link]) -> list[str]:
    return [f"* {_plain(link.package)}: [{_plain(link.label)}]({link.url})" for link in links if is_address(link.url)]


def reproduce(moves: Iterable[Moved]) -> str:
    """The command that makes the same moves."""
    words = [f"{move.name}=={move.new}" if move.kind == "pin" else move.name for move in packages_of(moves)]
    once = _once(moves)
    options = [f"--exclude-newer {move.new}" for move in once if move.kind == "cut-off"]
    options += [f"--variant {v}" for v in dict.fromkeys(v for m in once if m.kind == "pin" for v in m.variants)]
    options += [f"--base {v}={move.name}:{move.new}" for move in once if move.kind == "base" for v in move.variants]
    return " ".join(["lockgen bump", *options, *words])


def _reproduce(story: Story) -> list[str]:
    lines = ["```sh", f"git switch {story.base}", reproduce(story.moves)]
    return [*lines, *(["lockgen compat"] if story.cells is not None else []), "lockgen check", "```"]


def _ignore(story: Story) -> list[str]:
    entries = [*_left_out_packages(story.moves), *_left_out_images(story.moves)]
    return [
        "Close this: these moves are not proposed again, newer ones are. For longer, write into versions.toml:",
        "",
        "```toml",
        "[update]",
        f"ignore = [{', '.join(entries)}]" if len(entries) == 1 else "ignore = [",
        *([f"  {entry}," for entry in entries] + ["]"] if len(entries) > 1 else []),
        "```",
        "",
        "A commit of yours on this branch stays: lockgen then leaves the branch alone.",
    ]


def _left_out_packages(moves: Iterable[Moved]) -> Iterable[str]:
    new = {move.name: move.new.partition("+")[0] for move in packages_of(moves)}
    # torch's family goes where torch goes.
    names = [name for name in new if not (name in FAMILY[1:] and FAMILY[0] in new)]
    return (f'{{ package = "{name}", versions = ">={new[name]}" }}' for name in names)


def _left_out_images(moves: Iterable[Moved]) -> Iterable[str]:
    """By the number in the tag, where that is what moves; a digest has no order."""
    for move in values_of(moves):
        if move.kind == "base":
            versions = f', versions = ">={move.number}"' if move.number and _tag(move.old) != _tag(move.new) else ""
            yield f'{{ base-image = "{move.name}"{versions} }}'


def _plain(text: str) -> str:
    """``text`` as words of one line: nothing in it is Markdown, a mention or a table's border."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    # Between a backslash and a letter nothing helps against @name and #1 on GitHub but a character of no width.
    escaped = _SPECIAL.sub(r"\\\1", words).replace("\\@", "@\u200b").replace("\\#", "#\u200b")
    return _ADDRESS.sub(lambda found: f"{found[0]}\u200b", escaped)


# -- the report ----------------------------------------------------------------


def text(told: Sequence[Told], waiting: Sequence[Waiting], *, bodies: bool) -> str:
    """The report for a terminal, a block for each group; with ``bodies`` the texts of the pull requests too."""
    blocks = []
    for one in told:
        head = f"{one.group}: {one.deed}{f', {one.title}' if one.title else ''}"
        lines = [head, *([f"  {one.url}"] if one.url else []), *(f"  {line}" for line in one.why.splitlines())]
        if bodies and one.body:
            lines += ["", *(f"  | {line}".rstrip() for line in one.body.splitlines())]
        blocks.append("\n".join(lines))
    if waiting:
        blocks.append("\n".join(["held back", *(f"  {line}" for line in _held_back(waiting))]))
    return "\n".join(blocks) + "\n" if blocks else "everything is up to date\n"


def _held_back(waiting: Iterable[Waiting]) -> list[str]:
    """A line for each package and reason; the releases are in order, the newest first."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in waiting:
        found.setdefault((one.name, one.why), []).append(one.version)
    return [f"{name} {_span(versions)}: {why}" for (name, why), versions in found.items()]


def _span(versions: Sequence[str]) -> str:
    if len(versions) < 4:
        return ", ".join(versions)
    return f"{versions[0]} and {len(versions) - 1} older ones, to {versions[-1]}"


def as_json(told: Sequence[Told], waiting: Sequence[Waiting]) -> dict[str, object]:
    """Plain data; ``format`` grows when a reader of the former one would misread it."""
    return {
        "format": 1,
        "groups": [
            {
                "group": one.group,
                "outcome": str(one.deed),
                "branch": one.branch,
                "title": one.title or None,
                "url": one.url,
                "why": one.why or None,
                "moves": [{"name": move.name, "from": move.old, "to": move.new} for move in one.moves],
                "body": one.body or None,
            }
            for one in told
        ],
        "held-back": [{"name": w.name, "version": w.version, "why": w.why} for w in waiting],
    }
