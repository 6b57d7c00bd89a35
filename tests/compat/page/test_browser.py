"""The page in a real Chromium: with a keyboard, for a screen reader, in dark mode and without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect
from support.matrix import matrix, result

from lockgen.compat.html_page import page

Open = Callable[..., Page]

NATIVE = "ctranslate2 4.4.0 requires libcudnn_ops_infer.so.8, which no package provides"
FAILURE = "whisperx cannot be imported: RuntimeError: torch is too old"
MATRIX = matrix(
    {"python": ["3.10", "3.11", "3.12"], "torch": ["2.4.1", "2.5.0", "2.5.1", "2.5.2"]},
    {
        ("3.10", "2.4.1"): [result("no")],
        ("3.11", "2.4.1"): [result("no")],
        ("3.12", "2.4.1"): None,
        ("3.10", "2.5.0"): [result("changes")],
        ("3.11", "2.5.0"): [result("changes")],
        ("3.12", "2.5.0"): [result("unknown")],
        ("3.10", "2.5.1"): [result("yes")],
        ("3.11", "2.5.1"): [result("yes", installed={"status": "yes", "reason": "", "native": [NATIVE]})],
        ("3.12", "2.5.1"): [result("unknown")],
        ("3.10", "2.5.2"): [result("yes", installed={"status": "no", "reason": FAILURE, "native": []})],
    },
)


@pytest.fixture
def messages() -> list[str]:
    """The console messages."""
    return []


@pytest.fixture
def shown(chromium: Browser, tmp_path: Path, messages: list[str]) -> Iterator[Open]:
    """Opens a matrix as a file. The page must not fetch anything, and must not log any message."""
    requested: list[str] = []
    contexts = []

    def record(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            requested.append(request.url)

    def opened(found: dict[str, Any] = MATRIX, after: str = "", **settings: Any) -> Page:
        path = tmp_path / "compat.html"
        path.write_text(page(found), encoding="utf-8")
        context = chromium.new_context(**settings)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("request", record)
        tab.goto(path.as_uri() + after)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert messages == []
    assert requested == []


def cell(tab: Page, where: str, word: str) -> Locator:
    return tab.get_by_role("button", name=re.compile(rf"^{re.escape(where)}:\s*{word}"))


def show(tab: Page, word: str) -> Locator:
    return tab.get_by_role("checkbox", name=re.compile(f"^{word} "))


def test_the_keyboard_alone_reaches_a_cell_opens_it_and_comes_back(shown: Open) -> None:
    tab = shown()
    tab.keyboard.press("Tab")
    for _ in range(6):  # past the six filters, into the table's one tab stop
        tab.keyboard.press("Tab")
    expect(cell(tab, "torch 2.4.1, python 3.10", "no")).to_be_focused()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("End")
    expect(cell(tab, "torch 2.5.1, python 3.12", "unknown")).to_be_focused()
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    dialog = tab.get_by_role("dialog", name="torch 2.5.1, python 3.11: runs")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("heading", name="torch 2.5.1, python 3.11: runs")).to_be_focused()
    expect(dialog.get_by_role("row", name="torch 2.5.1+cu121")).to_be_visible()
    expect(dialog.get_by_text(NATIVE)).to_be_visible()
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cell(tab, "torch 2.5.1, python 3.11", "runs")).to_be_focused()


def test_the_focus_is_visible(shown: Open) -> None:
    tab = shown()
    for _ in range(7):
        tab.keyboard.press("Tab")
    style = (
        "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    )
    assert tab.evaluate(style) == "solid3px"


def test_arrow_keys_skip_cells_without_a_dialog(shown: Open) -> None:
    tab = shown()
    cell(tab, "torch 2.4.1, python 3.11", "no").focus()
    tab.keyboard.press("ArrowRight")
    expect(cell(tab, "torch 2.4.1, python 3.11", "no")).to_be_focused()
    show(tab, "changes").uncheck()
    cell(tab, "torch 2.4.1, python 3.11", "no").focus()
    tab.keyboard.press("ArrowDown")
    expect(cell(tab, "torch 2.5.1, python 3.11", "runs")).to_be_focused()


def test_a_no_shows_the_reason_and_the_resolver_output(shown: Open) -> None:
    tab = shown()
    cell(tab, "torch 2.4.1, python 3.10", "no").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("whisperx 3.4.3 requires torch>=2.5.1", exact=True)).to_be_visible()
    words = dialog.get_by_text("Because whisperx==3.4.3 depends on torch>=2.5.1")
    expect(words).to_be_hidden()
    dialog.get_by_text("Resolver output").click()
    expect(words).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(tab.get_by_role("dialog")).to_have_count(0)


def test_a_cell_that_does_not_run_shows_why(shown: Open) -> None:
    tab = shown()
    cell(tab, "torch 2.5.2, python 3.10", "does not run").click()
    dialog = tab.get_by_role("dialog", name="torch 2.5.2, python 3.10: does not run")
    expect(dialog.get_by_text(FAILURE)).to_be_visible()
    tab.keyboard.press("Escape")
    show(tab, "does not run").uncheck()
    expect(cell(tab, "torch 2.5.2, python 3.10", "does not run")).to_have_count(0)
    expect(cell(tab, "torch 2.5.1, python 3.11", "runs")).to_have_count(1)


def test_changes_show_old_and_new_versions(shown: Open) -> None:
    tab = shown()
    cell(tab, "torch 2.5.0, python 3.10", "changes").click()
    expect(tab.get_by_role("dialog").get_by_role("row", name="whisperx 3.4.3 3.3.1")).to_be_visible()


def test_a_filter_hides_cells_and_announces_how_many_are_left(shown: Open) -> None:
    tab = shown()
    expect(tab.get_by_role("status")).to_have_text("")
    show(tab, "no").uncheck()
    expect(cell(tab, "torch 2.4.1, python 3.10", "no")).to_have_count(0)
    expect(cell(tab, "torch 2.5.1, python 3.10", "resolves")).to_have_count(1)
    expect(tab.get_by_role("status")).to_have_text("7 of 9 results shown")
    show(tab, "no").check()
    expect(cell(tab, "torch 2.4.1, python 3.10", "no")).to_have_count(1)


def test_opening_closing_and_filtering_work_without_a_script(shown: Open) -> None:
    tab = shown(java_script_enabled=False)
    cell(tab, "torch 2.5.1, python 3.10", "resolves").press("Enter")
    dialog = tab.get_by_role("dialog", name="torch 2.5.1, python 3.10: resolves")
    expect(dialog.get_by_role("row", name="numpy 2.3.4")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    show(tab, "resolves").uncheck()
    expect(cell(tab, "torch 2.5.1, python 3.10", "resolves")).to_have_count(0)


def test_a_link_to_a_cell_opens_it(shown: Open) -> None:
    expect(shown(after="#t1-1").get_by_role("dialog", name="torch 2.4.1, python 3.10: no")).to_be_visible()


def test_the_accessibility_tree_has_the_table_with_its_headers(shown: Open) -> None:
    table = shown().get_by_role("table", name=re.compile("^ml:cuda"))
    assert [head.inner_text() for head in table.get_by_role("columnheader").all()] == [
        "torch",
        "python",
        "3.10",
        "3.11",
        "3.12",
    ]
    assert [head.inner_text() for head in table.get_by_role("rowheader").all()] == ["2.4.1", "2.5.0", "2.5.1", "2.5.2"]
    tree = table.aria_snapshot()
    assert 'button "torch 2.4.1, python 3.10: no"' in tree
    assert 'cell "excluded"' in tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", ["", "#t1-1", "#t1-3", "#t1-7", "#t1-9"])
def test_axe_finds_nothing(shown: Open, scheme: Literal["light", "dark"], opened: str) -> None:
    tab = shown(after=opened, color_scheme=scheme, reduced_motion="reduce")
    assert (tab.get_by_role("dialog").count() == 1) is bool(opened)
    tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = tab.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    # axe did run: contrast and table headers are among the passed rules.
    assert {"color-contrast", "td-headers-attr", "button-name"} <= {rule["id"] for rule in found["passes"]}


def test_dark_mode_and_reduced_motion(shown: Open) -> None:
    def looks(**settings: Any) -> list[str]:
        tab = shown(**settings)
        style = "(name) => ({...getComputedStyle(document.querySelector(name))})"
        looks = {name: tab.evaluate(style, name) for name in ("body", ".panel")}
        return [looks["body"]["backgroundColor"], looks[".panel"]["transitionDuration"]]

    light, moving = looks(color_scheme="light", reduced_motion="no-preference")
    dark, still = looks(color_scheme="dark", reduced_motion="reduce")
    assert sum(map(int, re.findall(r"\d+", light))) > 700 > 100 > sum(map(int, re.findall(r"\d+", dark)))
    assert "0.16s" in moving
    assert still == "0s"


def test_printed_reasons_are_below_the_tables(shown: Open) -> None:
    tab = shown()
    tab.emulate_media(media="print")
    expect(tab.locator("#t1-1").get_by_text("whisperx 3.4.3 requires torch>=2.5.1", exact=True)).to_be_visible()
    expect(tab.locator(".panel.runs").first).to_be_hidden()
    expect(tab.locator(".filter input").first).to_be_hidden()


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off_at_any_width(shown: Open, width: int) -> None:
    tab = shown(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    cell(tab, "torch 2.4.1, python 3.10", "no").click()
    box = tab.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_a_script_from_an_index_does_not_run_and_the_policy_blocks_injected_ones(
    shown: Open, messages: list[str]
) -> None:
    evil = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
    bad = result("no", reason=evil, detail=evil)
    tab = shown(matrix({"torch": ["2.5.1"]}, {("2.5.1",): [bad]}, family=evil))
    cell(tab, "torch 2.5.1", "no").click()
    expect(tab.get_by_role("dialog").get_by_text(evil, exact=True).first).to_be_visible()
    assert tab.evaluate("typeof window.ran") == "undefined"
    refused = tab.evaluate(
        f"""async () => {{
            const refused = new Promise((done) => document.addEventListener(
                "securitypolicyviolation", (event) => done(event.effectiveDirective)));
            const script = document.createElement("script");
            script.textContent = {json.dumps("window.ran = 1")};
            document.body.append(script);
            return await refused;
        }}"""
    )
    assert refused == "script-src-elem"
    assert len(messages) == 1
    assert "violates the following Content Security Policy" in messages.pop()
    assert tab.evaluate("typeof window.ran") == "undefined"
