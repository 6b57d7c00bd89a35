"""The one door to jinja2: templates of this package, strict; what is HTML is escaped."""

from __future__ import annotations

import json
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lockgen.core.layout import MARK


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lockgen", "."),
        undefined=StrictUndefined,
        # What goes into a page came from an index. What goes into all others passed the format's patterns.
        autoescape=select_autoescape(["html.j2"], default=False),
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


def source(template: str) -> str:
    """A file among the templates as it is."""
    environment = _environment()
    if environment.loader is None:
        raise LookupError(template)
    return environment.loader.get_source(environment, template)[0]


def hcl(value: object) -> str:
    """A value as HCL writes it: JSON, with what would begin a template escaped."""
    return json.dumps(value, ensure_ascii=True).replace("${", "$${").replace("%{", "%%{")
