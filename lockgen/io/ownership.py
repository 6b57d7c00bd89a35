"""Guarantee 11 where commands write: files that are not lockgen's are found, all at once, before anything changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lockgen.core.documents import parse_json
from lockgen.core.layout import MARK
from lockgen.core.ownership_rules import has_header, is_generated, is_removable
from lockgen.errors import BadInput, Fault, LockgenError, Place
from lockgen.io.workspace import Folder

OwnershipRecords = Sequence[Callable[[], Collection[str]]]
"""What names the paths that are lockgen's; each is called only while some file has no owner yet."""

_METADATA_FILE = re.compile(rb'"file"\s*:\s*"([^"\\\\]+)"')
ANYTHING = b"\0"
"""Stands for new bytes that are not known yet: no file that a command writes has these."""

_MOVE = "move it away, and run the command again"
_MARK_IT = f"{_MOVE}; or make this its first line, to let lockgen replace it: {MARK.strip()}"


def refuse_foreign(folder: Folder, wanted: Mapping[str, bytes | None], records: OwnershipRecords) -> None:
    """Raises BadInput with every file of the user's that ``wanted`` would replace or remove."""
    if faults := foreign_files(folder, wanted, records):
        raise BadInput.of(list(faults.values()))


def foreign_files(folder: Folder, wanted: Mapping[str, bytes | None], records: OwnershipRecords) -> dict[str, Fault]:
    """By path, what lies in the way of ``wanted`` and is not lockgen's. What has the wanted bytes is never refused."""
    blocked: dict[str, Fault] = {}
    unowned: dict[str, Fault] = {}
    look = folder.look()
    for path, data in sorted(wanted.items()):
        try:
            there = look.read(path)
        except BadInput as error:  # a folder, a device, or a link that leads out of the project
            blocked[path] = error.faults[0]
            continue
        if there is not None:
            if there != data and not has_header(there):
                unowned[path] = _not_ours("this file is not lockgen's, and would be replaced", path)
        elif data is not None and (above := look.file_above(path)) is not None:
            blocked[path] = Fault(
                f"{above} is a file, but lockgen needs a folder there", place=Place(above), hint=_MOVE
            )
        elif look.is_link(path):
            unowned[path] = _not_ours("this broken symlink is not lockgen's, and would be replaced", path)
    for record in records:
        if not unowned:
            break
        recorded = record()
        unowned = {path: fault for path, fault in unowned.items() if path not in recorded}
    return dict(sorted({**blocked, **unowned}.items()))


def _not_ours(message: str, path: str) -> Fault:
    """A JSON file has no room for the header."""
    return Fault(message, place=Place(path), hint=_MOVE if path.endswith(".json") else _MARK_IT)


def record_records(folder: Folder, where: str) -> OwnershipRecords:
    """What the recorded index in the folder ``where`` names, on disk and at HEAD."""
    index = f"{where}/index.json"
    return (
        lambda: record_paths(where, folder.read(index)),
        lambda: record_paths(where, at_head(folder, index)),
    )


def record_paths(where: str, data: bytes | None) -> Collection[str]:
    """index.json and the metadata files that it names; none if ``data`` is not that of a record.

    The names are read from the text, as a merge may have left it in pieces. They become paths, so others are skipped.
    """
    if data is None or not (has_header(data) or _is_record(data)):
        return ()
    owned = {f"{where}/index.json"}
    for name in _METADATA_FILE.findall(data):
        path = f"{where}/metadata/{name.decode('utf-8', 'replace')}"
        if is_removable(path):
            owned.add(path)
    return owned


def _is_record(data: bytes) -> bool:
    """A record that was laid out again, by a formatter for one, has no header but is still one."""
    try:
        document = parse_json(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"format", "name", "url", "projects"} <= document.keys()


def refuse_foreign_file(folder: Folder, path: str, is_lockgens: Callable[[bytes], bool]) -> None:
    """Raises BadInput if the one file ``path`` is the user's; ``is_lockgens`` recognises what has no usual header."""

    def recognised() -> Collection[str]:
        data = folder.read(path)
        return (path,) if data is not None and is_lockgens(data) else ()

    refuse_foreign(folder, {path: ANYTHING}, (recognised,))


def refuse_link(folder: Folder, path: str) -> None:
    """Raises BadInput if ``path``, a file of the user's that a command edits, is a symlink: a file would replace it."""
    if folder.is_link(path):
        hint = f"edit the file that it points to, or replace {path} with that file"
        raise BadInput("this is a symlink, and would be replaced by a file", place=Place(path), hint=hint)


def generated_on_disk(folder: Folder) -> list[str]:
    """The paths of all files where lockgen writes, sorted."""
    found = [*folder.listing("docker"), *folder.listing("locks"), ".dockerignore"]
    return sorted(path for path in found if is_generated(path))


def may_remove(folder: Folder, path: str) -> bool:
    """Whether lockgen made the file at ``path``, by its header. A link is never lockgen's, whatever it leads to."""
    return not folder.is_link(path) and has_header(folder.read(path) or b"")


def at_head(folder: Folder, path: str) -> bytes | None:
    """The bytes of ``path`` in the last commit; None without git, without a commit, or if it is not in there."""
    from lockgen.io.git import show  # subprocess and more: `check` seldom comes here

    with suppress(LockgenError):
        return show(Path(folder.root), "HEAD", path)
    return None
