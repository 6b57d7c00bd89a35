"""The one door to jinja2: templates of this package, strict, and no HTML."""

from __future__ import annotations

import json
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

MARK = "# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lockgen.rendering", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML comes out of it; what goes in passed the format's patterns
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["hcl"] = hcl
    environment.filters["py"] = py
    return environment


def render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(mark=MARK, **values)


def py(value: str) -> str:
    """A string as Python writes it, in double quotes where it holds none, as formatters do."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text


def hcl(value: object) -> str:
    """A value as HCL writes it: JSON, with what would begin a template escaped."""
    return json.dumps(value, ensure_ascii=True).replace("${", "$${").replace("%{", "%%{")
