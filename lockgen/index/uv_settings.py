"""uv.toml for one request: where packages come from, and which of them uv may choose.

Builds of source distributions get the same routing, so that build requirements come from the same indexes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement
from lockgen.core.quoting import array, quoted
from lockgen.core.resolution import BUILD_BACKENDS, Request
from lockgen.index.uv_pages import Pages, metadata_table

PREVIEW = "index-exclude-newer"
"""The preview feature of uv that the settings need."""

_NEVER_EXPIRES = "max-age=365000000, immutable"


def settings(request: Request, default_index: str, pages: Pages) -> str:
    """uv.toml for resolving ``request``."""
    parts = [f"constraint-dependencies = {array(request.constraints)}\n"]
    if request.overrides:
        parts.append(f"override-dependencies = [{', '.join(_scoped_overrides(request))}]\n")
    parts.append(_shared_settings(request, default_index, pages))
    # Tables must come after all top-level keys.
    parts += [metadata_table(metadata, request.target) for metadata in request.known]
    return "".join(parts)


def _scoped_overrides(request: Request) -> list[str]:
    """Overrides of the requirements of one package, as inline tables."""
    return [
        f"{{ package = {{ name = {quoted(name)} }}, dependencies = {array(requirements)} }}"
        for name, requirements in sorted(request.overrides.items())
    ]


def build_settings(request: Request, default_index: str, pages: Pages) -> str:
    """uv.toml for building a source distribution. See `build_constraints` for the pins that apply to a build."""
    constraints = f"constraint-dependencies = {array(build_constraints(request))}\n"
    return constraints + _shared_settings(request, default_index, pages)


def build_constraints(request: Request) -> list[str]:
    """The constraints on listed packages and on build backends.

    An extension compiled against another torch does not load in the image.
    """
    named = BUILD_BACKENDS.union(request.routes)
    return [line for line in request.constraints if canonicalize_name(parse_requirement(line).name) in named]


def build_environment(
    folder: Path, request: Request, default_index: str, pages: Pages, environment: Mapping[str, str]
) -> dict[str, str]:
    """``environment`` with the settings for a build, which are written to ``folder``."""
    path = folder / "lockgen-uv.toml"
    path.write_text(build_settings(request, default_index, pages))
    # The URL of an index may have a password.
    path.chmod(0o600)
    settings_of_build = {"UV_CONFIG_FILE": str(path), "UV_PREVIEW_FEATURES": PREVIEW}
    if request.routes or request.blocked:
        # Some builds call pip themselves, and pip does not support routes.
        settings_of_build |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return {**environment, **settings_of_build}


def routing_digest(request: Request) -> str:
    """A digest of everything besides the source distribution that a build depends on; "" if it is nothing."""
    constraints = build_constraints(request)
    if not request.routes and not request.blocked and not constraints:
        return ""
    urls = sorted((name, request.indexes[index].url) for name, index in request.routes.items())
    # Part of cache keys: another order or another separator would make every cached build useless.
    text = json.dumps([urls, sorted(request.blocked), constraints])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"-{digest}"


def _shared_settings(request: Request, default_index: str, pages: Pages) -> str:
    """The settings of resolutions and builds."""
    parts = [
        'index-strategy = "first-index"\n',
        # A source distribution's pyproject.toml may name indexes; the family's routing must win.
        "no-sources = true\n",
        f"build-constraint-dependencies = {array(build_constraints(request))}\n",
    ]
    if request.exclude_newer is not None:
        parts.append(f"exclude-newer = {quoted(request.exclude_newer.isoformat())}\n")
    folder = pages.folder(request)
    if folder is not None:
        # Recorded indexes have no upload times, and a cut-off hides undated files.
        parts.append(f'[[index]]\nname = "listed"\nurl = {quoted(folder.as_uri())}\nexclude-newer = false\n')
    # A file never changes under its name. PyPI says so in its headers, but many mirrors do not. uv would then request
    # the METADATA of every package again in each run, which takes twenty times as long as its own work.
    parts.append(
        f'[[index]]\nurl = {quoted(default_index)}\ndefault = true\ncache-control = {{ files = "{_NEVER_EXPIRES}" }}\n'
    )
    if folder is not None:
        parts.append(pages.metadata(request))
    return "".join(parts)
