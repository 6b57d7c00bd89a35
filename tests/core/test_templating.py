"""Values in templates: what would begin a template of HCL, end a string or add markup stays text."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from lockgen.core.templating import compile_template, hcl, py, render, source


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("${REGISTRY}", '"$${REGISTRY}"'),
        ("%{ if true }x%{ endif }", '"%%{ if true }x%%{ endif }"'),
        ("$%{a}${b}", '"$%%{a}$${b}"'),
        ("$a %b {c}", '"$a %b {c}"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a\nb", r'"a\nb"'),
        ("é", r'"\u00e9"'),
        ("\U0001f600", r'"\U0001f600"'),
        ("\b\x7f", r'"\u0008\u007f"'),
        (["a", "%{b}"], '["a", "%%{b}"]'),
        (["${a}"], '["$${a}"]'),
        ([], "[]"),
    ],
)
def test_hcl_literals(value: str | list[str], literal: str) -> None:
    assert hcl(value) == literal


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("it's", '"it\'s"'),
        ('say "a"', "'say \"a\"'"),
        ("a\\b\n", r'"a\\b\n"'),
    ],
)
def test_python_literals(value: str, literal: str) -> None:
    assert py(value) == literal


@given(st.text())
def test_python_reads_each_literal_as_the_same_text(value: str) -> None:
    assert ast.literal_eval(py(value)) == value


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'plan' is undefined"):
        render("outputs/templates/docker-bake.hcl.j2")


@pytest.mark.parametrize("template", ["outputs/templates/docker-bake.hcl.j2", "outputs/templates/Dockerfile.j2"])
def test_the_source_of_a_template_is_not_rendered(template: str) -> None:
    compile_template(template)
    assert source(template).startswith("{{ mark }}") or "{{ mark }}" in source(template)
