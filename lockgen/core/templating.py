"""The one door to jinja2: the templates of this package. Undefined names are errors, and HTML is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from lockgen.core.layout import MARK
from lockgen.core.quoting import quoted


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lockgen", "."),
        # A missing value would otherwise become an empty text in a Dockerfile.
        undefined=StrictUndefined,
        # Values in HTML come from an index. Values in all other templates have passed the patterns of versions.toml.
        autoescape=select_autoescape(["html.j2"], default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters["hcl"] = hcl
    environment.filters["py"] = py
    return environment


def render(template: str, **values: object) -> str:
    return _template(template).render(mark=MARK, **values)


def compile_template(template: str) -> None:
    """Compile ``template``, which later renderings use."""
    _template(template)


# Jinja has a cache, too, but checks each time whether the file has changed.
@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


def py(value: str) -> str:
    """A string as a Python literal, in double quotes unless it contains them, as formatters write it."""
    text = repr(value)
    if text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def source(template: str) -> str:
    """The text of a file among the templates, not rendered."""
    environment = _environment()
    if environment.loader is None:
        raise LookupError(template)
    return environment.loader.get_source(environment, template)[0]


def hcl(value: str | Sequence[str]) -> str:
    """A string, or an array of strings, as an HCL literal."""
    if not isinstance(value, str):
        return f"[{', '.join(map(hcl, value))}]"
    # "${" and "%{" in a string begin a template.
    return quoted(value).replace("${", "$${").replace("%{", "%%{")
