"""`lockgen bump`: change pins, relock minimally and rewrite generated files."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockgen.app import App
from lockgen.errors import BadInput, Exit
from lockgen.upgrade import bump_render as rendering
from lockgen.upgrade.bump import BumpOptions, bumped
from lockgen.upgrade.bump_model import UpgradeRequest


def run(app: App, words: Sequence[str], options: BumpOptions) -> int:
    """Moves what ``words`` say (NAME, NAME==VERSION), and prints the difference for each image, sizes included.

    Raises:
        BadInput: a word is none, or names what cannot be moved.
        NoResolution: with what `lockgen explain` says of it.
        LockgenError: nothing was written.
    """
    done = bumped(app, [wish(word) for word in words], options)
    app.progress.step("")
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(done, dry_run=options.dry_run), indent=2))
    else:
        click.echo(rendering.text(done, dry_run=options.dry_run))
    return Exit.DONE


def wish(word: str) -> UpgradeRequest:
    """ "numpy", or "torch==2.5.1".

    Raises:
        BadInput: it is neither.
    """
    name, equals, version = word.partition("==")
    try:
        known = canonicalize_name(name.strip(), validate=True)
        return UpgradeRequest(known, str(Version(version)) if equals else None)
    except (InvalidName, InvalidVersion):
        hint = "NAME takes the newest that is allowed, NAME==VERSION that one; with one = or a range nothing is exact"
        raise BadInput(f"{word!r} is neither a package nor a package with its version", hint=hint) from None
