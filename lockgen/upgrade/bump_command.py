"""`lockgen bump`: change pins, relock minimally and rewrite generated files."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion

from lockgen.app import App
from lockgen.core.parsing import parse_version
from lockgen.errors import BadInput, Exit
from lockgen.io.output import print_json, print_text
from lockgen.upgrade import bump_render as rendering
from lockgen.upgrade.bump import BumpOptions, bumped
from lockgen.upgrade.bump_model import UpgradeRequest
from lockgen.upgrade.proved_bump import proved_bump


def run(app: App, words: Sequence[str], options: BumpOptions) -> int:
    """Change the pins that ``words`` name (NAME, NAME==VERSION), and print the difference and sizes of each image.

    Raises:
        BadInput: a word cannot be read, or names a package that cannot change.
        NoResolution: no solution was found; the reason is the output of `lockgen explain`.
        DoesNotRun: images do not run with the versions, and ``options.prove`` is set.
        LockgenError: nothing was written.
    """
    requests = [read_request(word) for word in words]
    done = proved_bump(app, requests, options) if options.prove else bumped(app, requests, options)
    app.progress.step("")
    if options.as_json:
        data = rendering.as_json(done, dry_run=options.dry_run)
        print_json(data)
    else:
        print_text(rendering.text(done, dry_run=options.dry_run))
    return Exit.DONE


def read_request(word: str) -> UpgradeRequest:
    """The request in ``word``: "numpy" or "torch==2.5.1".

    Raises:
        BadInput: it is neither.
    """
    name, equals, version = word.partition("==")
    try:
        canonical = canonicalize_name(name.strip(), validate=True)
        exact = str(parse_version(version)) if equals else None
    except (InvalidName, InvalidVersion):
        raise BadInput(
            f"{word!r} is neither NAME nor NAME==VERSION",
            hint="NAME takes the latest compatible version, NAME==VERSION exactly this one; ranges are not supported",
        ) from None
    return UpgradeRequest(canonical, exact)
