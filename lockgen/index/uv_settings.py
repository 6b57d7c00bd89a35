"""uv's settings for one request: where packages come from, what it may choose, and the same for what builds require."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lockgen.core.resolution import Request
from lockgen.index.uv_pages import Pages, array, metadata_table, quoted

PREVIEW = "index-exclude-newer"
"""The preview feature of uv that the settings need."""

_FOR_GOOD = "max-age=365000000, immutable"


def settings(request: Request, default_index: str, pages: Pages) -> str:
    """uv.toml for resolving ``request``."""
    parts = [f"constraint-dependencies = {array(request.constraints)}\n"]
    if request.overrides:
        scoped = [
            f"{{ package = {{ name = {quoted(name)} }}, dependencies = {array(needs)} }}"
            for name, needs in sorted(request.overrides.items())
        ]
        parts.append(f"override-dependencies = [{', '.join(scoped)}]\n")
    known = [metadata_table(metadata) for _, metadata in sorted(request.known.items())]
    return "".join([*parts, _shared(request, default_index, pages), *known])


def build_settings(request: Request, default_index: str, pages: Pages) -> str:
    """uv.toml for an environment in which a source distribution is built: the family's other pins are no business of
    a build's.
    """
    constraints = f"constraint-dependencies = {array(build_constraints(request))}\n"
    return constraints + _shared(request, default_index, pages)


def build_constraints(request: Request) -> list[str]:
    """The constraints on listed packages: what is compiled against another torch than the image's does not load."""
    return [line for line in request.constraints if canonicalize_name(Requirement(line).name) in request.routes]


def build_environment(
    folder: Path, request: Request, default_index: str, pages: Pages, environment: Mapping[str, str]
) -> dict[str, str]:
    """``environment`` for uv in a build, with its settings in ``folder``."""
    path = folder / "lockgen-uv.toml"
    path.write_text(build_settings(request, default_index, pages))
    path.chmod(0o600)  # the address of an index may hold a password
    own = {"UV_CONFIG_FILE": str(path), "UV_PREVIEW_FEATURES": PREVIEW}
    if request.routes or request.blocked:
        # pip, where a build calls it by itself, knows no routes.
        own |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return {**environment, **own}


def routing_digest(request: Request) -> str:
    """What a build's answer depends on besides the source distribution: "" where nothing is routed."""
    if not request.routes and not request.blocked:
        return ""
    urls = sorted((name, request.indexes[index].url) for name, index in request.routes.items())
    text = json.dumps([urls, sorted(request.blocked), build_constraints(request)])
    return "-" + hashlib.sha256(text.encode()).hexdigest()


def _shared(request: Request, default_index: str, pages: Pages) -> str:
    parts = [
        'index-strategy = "first-index"\n',
        # What a source distribution's own pyproject.toml says about indexes is not the family's routing.
        "no-sources = true\n",
        f"build-constraint-dependencies = {array(build_constraints(request))}\n",
    ]
    if request.exclude_newer is not None:
        parts.append(f"exclude-newer = {quoted(request.exclude_newer.isoformat())}\n")
    folder = pages.folder(request)
    if folder is not None:
        # A recorded index has no upload times, and a cut-off hides what has none.
        parts.append(f'[[index]]\nname = "listed"\nurl = {quoted(folder.as_uri())}\nexclude-newer = false\n')
    # A file never changes under its name: PyPI says so of each, and many a mirror forgets to. Then uv would ask for the
    # METADATA of every package once more in each run: twenty times its own work.
    parts.append(
        f'[[index]]\nurl = {quoted(default_index)}\ndefault = true\ncache-control = {{ files = "{_FOR_GOOD}" }}\n'
    )
    if folder is not None:
        parts.append(pages.metadata(request))
    return "".join(parts)
