"""Index pages are untrusted: valid entries are read, and everything else is left out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.urls import origin, redacted
from lockgen.errors import ToolFailed
from lockgen.index.page_reader import parse_page
from lockgen.index.page_writer import HTML_TYPE, JSON_TYPE, render_html, render_json

URL = "https://index.example/whl/cu121/torch/"
WHEEL = "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
ESCAPED = WHEEL.replace("+", "%2B")
HASH = "ab" * 32


def from_html(text: str, project: str = "torch") -> tuple[IndexFile, ...]:
    return parse_page(text.encode(), "text/html; charset=utf-8", URL, project).files


def from_json(*entries: object, version: object = "1.1", project: str = "torch") -> tuple[IndexFile, ...]:
    body = json.dumps({"meta": {"api-version": version}, "name": project, "files": list(entries)}).encode()
    return parse_page(body, JSON_TYPE, URL, project).files


# -- PEP 503 --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "href", "url"),
    [
        ("", f"../files/{ESCAPED}", f"https://index.example/whl/cu121/files/{ESCAPED}"),
        ("", f"/whl/{ESCAPED}", f"https://index.example/whl/{ESCAPED}"),
        ("", f"//files.example/{ESCAPED}", f"https://files.example/{ESCAPED}"),
        ("", f"http://files.example/{ESCAPED}", f"http://files.example/{ESCAPED}"),
        ('<base href="https://mirror.example/a/">', f"b/{ESCAPED}", f"https://mirror.example/a/b/{ESCAPED}"),
        ('<base href="../">', ESCAPED, f"https://index.example/whl/cu121/{ESCAPED}"),
    ],
)
def test_a_link_is_relative_to_the_page_or_its_base(base: str, href: str, url: str) -> None:
    (file,) = from_html(f'<head>{base}</head><a href="{href}#sha256={HASH}">x</a>')
    assert file == IndexFile(WHEEL, url, HASH)


@pytest.mark.parametrize(
    ("fragment", "sha256"),
    [
        (f"#sha256={HASH}", HASH),
        (f"#sha256={HASH.upper()}", HASH),
        (f"#sha256={HASH}&egg=torch", HASH),
        ("#md5=" + "0" * 32, None),
        ("#sha256=" + "0" * 63, None),
        ("#sha256=" + "g" * 64, None),
        (f"#sha256={HASH}%0A--hash", None),
        ("", None),
    ],
)
def test_only_a_complete_sha256_is_a_hash(fragment: str, sha256: str | None) -> None:
    (file,) = from_html(f'<a href="{ESCAPED}{fragment}">x</a>')
    assert file.sha256 == sha256


def test_attributes_of_a_link() -> None:
    (file,) = from_html(
        f'<a href="{ESCAPED}#sha256={HASH}" data-requires-python="&gt;=3.8,&lt;4" data-yanked="bad &amp; old"'
        f' data-core-metadata="sha256={"cd" * 32}">x</a>'
    )
    assert (file.requires_python, file.yanked, file.metadata_sha256) == (">=3.8,<4", "bad & old", "cd" * 32)


@pytest.mark.parametrize(
    ("attribute", "offered"),
    [
        ("", None),
        ('data-core-metadata="true"', ""),
        ('data-core-metadata="false"', None),
        (f'data-core-metadata="sha256={HASH}"', HASH),
        (f'data-dist-info-metadata="sha256={HASH}"', HASH),
        (f'data-core-metadata="md5={"0" * 32}"', ""),
        (f'data-core-metadata="true" data-dist-info-metadata="sha256={HASH}"', ""),  # PEP 714: the first counts
    ],
)
def test_metadata_that_html_offers(attribute: str, offered: str | None) -> None:
    (file,) = from_html(f'<a href="{ESCAPED}#sha256={HASH}" {attribute}>x</a>')
    assert file.metadata_sha256 == offered


@pytest.mark.parametrize(("attribute", "yanked"), [("", None), ("data-yanked", ""), ('data-yanked=""', "")])
def test_yanked_without_a_reason(attribute: str, yanked: str | None) -> None:
    (file,) = from_html(f'<a href="{ESCAPED}#sha256={HASH}" {attribute}>x</a>')
    assert file.yanked == yanked


# -- PEP 691 --------------------------------------------------------------------


def test_a_full_json_entry() -> None:
    (file,) = from_json(
        {
            "filename": WHEEL,
            "url": f"/f/{ESCAPED}",
            "hashes": {"sha256": HASH, "md5": "0"},
            "size": 780_000_000,
            "requires-python": ">=3.9",
            "upload-time": "2024-10-29T17:00:00.5Z",
            "core-metadata": {"sha256": "cd" * 32},
            "yanked": "broken",
        }
    )
    when = datetime(2024, 10, 29, 17, 0, 0, 500_000, tzinfo=UTC)
    url = f"https://index.example/f/{ESCAPED}"
    assert file == IndexFile(WHEEL, url, HASH, 780_000_000, ">=3.9", when, "cd" * 32, "broken")


@pytest.mark.parametrize(
    ("said", "yanked"), [({}, None), ({"yanked": False}, None), ({"yanked": True}, ""), ({"yanked": "why"}, "why")]
)
def test_yanked_in_json(said: dict[str, object], yanked: str | None) -> None:
    (file,) = from_json({"filename": WHEEL, "url": ESCAPED, "hashes": {}, **said})
    assert (file.yanked, file.sha256) == (yanked, None)


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ({}, None),
        ({"core-metadata": False}, None),
        ({"core-metadata": True}, ""),
        ({"core-metadata": {"sha256": HASH}}, HASH),
        ({"core-metadata": {"md5": "0"}}, ""),
        ({"dist-info-metadata": {"sha256": HASH}}, HASH),
        ({"core-metadata": False, "dist-info-metadata": {"sha256": HASH}}, None),  # PEP 714
    ],
)
def test_metadata_that_json_offers(said: dict[str, object], offered: str | None) -> None:
    (file,) = from_json({"filename": WHEEL, "url": ESCAPED, "hashes": {"sha256": HASH}, **said})
    assert file.metadata_sha256 == offered


@pytest.mark.parametrize("odd", [True, -1, "12", None, 1.5])
def test_an_invalid_size_is_left_out(odd: object) -> None:
    (file,) = from_json({"filename": WHEEL, "url": ESCAPED, "hashes": {"sha256": HASH}, "size": odd})
    assert file.size is None


@pytest.mark.parametrize("odd", ["2024-10-29T17:00:00", "yesterday", 3, None])
def test_an_invalid_time_is_left_out(odd: object) -> None:
    (file,) = from_json({"filename": WHEEL, "url": ESCAPED, "hashes": {"sha256": HASH}, "upload-time": odd})
    assert file.upload_time is None


@pytest.mark.parametrize("version", ["2.0", "2", "0.9", 2, None])
def test_another_version_of_the_api_is_refused(version: object) -> None:
    with pytest.raises(ToolFailed, match="of the index API; lockgen supports 1"):
        from_json(version=version)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"meta": {"api-version": "1.0"}, "files": 3}', b"\xff", b"[" * 100_000]
)
def test_an_invalid_page_is_refused(body: bytes) -> None:
    with pytest.raises(ToolFailed, match="is not an index page"):
        parse_page(body, JSON_TYPE, URL, "torch")


def test_another_content_type_is_refused_without_the_token() -> None:
    with pytest.raises(ToolFailed) as caught:
        parse_page(b"", "image/png", "https://user:secret@index.example/torch/?token=secret", "torch")
    assert "https://index.example/torch/ is not an index page: image/png" in str(caught.value)


# -- hostile pages --------------------------------------------------------------

HOSTILE = [
    f"{WHEEL}\nevil-1.0-py3-none-any.whl",
    f"{WHEEL}\n",
    f" {WHEEL}",
    f"../{WHEEL}",
    f"..\\{WHEEL}",
    WHEEL.replace("torch", 'to"rch'),
    WHEEL.replace("torch", "to'rch"),
    WHEEL.replace("2.5.1", "2.5.1 --index-url"),
    WHEEL.replace("2.5.1", "$(id)"),
    "torch-2.5.1-py3-none-any.whl\x00",
    "torchvision-0.20.1-cp311-cp311-linux_x86_64.whl",
    "torch.evil-1.0-py3-none-any.whl",
    "evil-1.0.tar.gz",
    "torch",
    "torch-.tar.gz",
    "torch-2.5.1.exe",
    "-r.whl",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_left_out(name: str) -> None:
    good = {"filename": WHEEL, "url": ESCAPED, "hashes": {"sha256": HASH}}
    assert [file.name for file in from_json({**good, "filename": name}, good)] == [WHEEL]


@pytest.mark.parametrize(
    "url",
    ["http://[", "http://[::1", "//[/x", f"http://a.example/{WHEEL}\nX: y", "file:///etc/passwd", "data:x", "\ud800"],
)
def test_a_file_with_an_invalid_address_is_left_out(url: str) -> None:
    good = {"filename": WHEEL, "url": ESCAPED, "hashes": {"sha256": HASH}}
    other = WHEEL.replace("cp311", "cp312")
    assert [file.name for file in from_json({**good, "filename": other, "url": url}, good)] == [WHEEL]


@pytest.mark.parametrize("base", ["http://[", "file:///", "https://[x"])
def test_an_invalid_base_is_refused_or_ignored(base: str) -> None:
    absolute = f'<a href="https://files.example/{ESCAPED}#sha256={HASH}">x</a>'
    assert from_html(f'<base href="{base}">{absolute}') in (
        (),
        (IndexFile(WHEEL, f"https://files.example/{ESCAPED}", HASH),),
    )


def test_text_of_a_page_stays_on_its_line() -> None:
    (file,) = from_json(
        {
            "filename": WHEEL,
            "url": ESCAPED,
            "hashes": {"sha256": HASH},
            "requires-python": ">=3.8\n--index-url https://evil.example",
            "yanked": "old\r\nevil\u2028evil",
        }
    )
    assert (file.requires_python, file.yanked) == (">=3.8--index-url https://evil.example", "oldevilevil")


_texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from([WHEEL, HASH, HASH + "\n", f"{WHEEL}\n--hash=sha256:{HASH}", *HOSTILE]),
    st.tuples(st.sampled_from(["torch-", WHEEL, HASH]), st.text(max_size=5)).map("".join),
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_entries = st.fixed_dictionaries(
    {},
    optional={
        "filename": _texts | _values,
        "url": st.sampled_from([ESCAPED, "http://[", "//x"]) | _texts | _values,
        "hashes": st.fixed_dictionaries({"sha256": _texts}) | _values,
        "size": _values,
        "requires-python": _values,
        "upload-time": _values,
        "core-metadata": st.fixed_dictionaries({"sha256": _texts}) | _values,
        "yanked": _values,
    },
)


def assert_harmless(files: tuple[IndexFile, ...]) -> None:
    for file in files:
        assert re.fullmatch(r"torch-[A-Za-z0-9._+!-]+\.(whl|tar\.gz|zip)", file.name, re.IGNORECASE)
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.metadata_sha256 in (None, "") or re.fullmatch(r"[0-9a-f]{64}", str(file.metadata_sha256))
        for text in (file.url, file.requires_python or "", file.yanked or ""):
            assert text.isprintable()
        assert file.url.startswith(("https://", "http://"))


@given(st.lists(_entries | _values, max_size=4))
def test_no_json_page_yields_harmful_values(entries: list[object]) -> None:
    assert_harmless(from_json(*entries))


@given(st.lists(st.tuples(_texts, _texts, _texts), max_size=4), st.text(max_size=60))
def test_no_html_page_yields_harmful_values(links: list[tuple[str, str, str]], noise: str) -> None:
    text = noise.join(f'<a href="{a}#sha256={b}" data-yanked="{c}" data-requires-python=\'{c}\'>' for a, b, c in links)
    assert_harmless(parse_page(text.encode("utf-8", "replace"), "text/html", URL, "torch").files)


@given(st.binary(max_size=80), st.sampled_from([b"", b"<!", b"<![", b"<a href='", b"<base href='http://["]))
def test_no_bytes_crash_the_reader_of_html(noise: bytes, start: bytes) -> None:
    try:
        files = parse_page(start + noise + b"</a>", "text/html", URL, "torch").files
    except ToolFailed as error:
        assert "is not an index page" in str(error)  # noqa: PT017
        files = ()
    assert_harmless(files)


# -- large pages -----------------------------------------------------------------


@pytest.mark.parametrize("name", [WHEEL, "torch-1.0.tar.gz", "torch-3.0.tar.gz", *HOSTILE])
@pytest.mark.parametrize("kind", [JSON_TYPE, HTML_TYPE])
def test_a_page_of_one_file_is_a_part_of_the_whole_page(name: str, kind: str) -> None:
    links = [(WHEEL, ESCAPED), ("torch-1.0.tar.gz", "torch-1.0.tar.gz"), (WHEEL, f"again/{ESCAPED}")]
    entries = [{"filename": file, "url": url, "hashes": {"sha256": HASH}} for file, url in links]
    json_page = json.dumps({"meta": {"api-version": "1.0"}, "files": [{"filename": {}}, 1, *entries]})
    html_page = "".join(f'<a href="{url}#sha256={HASH}">x</a>' for _, url in links)
    body = (json_page if kind == JSON_TYPE else html_page).encode()
    whole = parse_page(body, kind, URL, "torch").files
    assert parse_page(body, kind, URL, "torch", name).files == tuple(file for file in whole if file.name == name)
    assert len(whole) == 2


@given(st.from_regex(r"https?://[A-Za-z0-9.:-]{1,9}[A-Za-z0-9._~%+!/;?#-]{0,12}", fullmatch=True))
@example("https://a.example/x/../y.whl")
@example("http://a.example:80//x.whl")
@example("https://a.example/x.whl?")
@example("https://a.example/x.whl#")
@example("https://a.example/x.whl;")
def test_a_link_equals_the_result_of_urljoin(link: str) -> None:
    for file in from_json({"filename": WHEEL, "url": link, "hashes": {"sha256": HASH}}):
        assert file.url == urljoin(URL, link)


# -- written pages ---------------------------------------------------------------

_files = st.builds(
    IndexFile,
    name=st.sampled_from([WHEEL, "torch-2.4.0-py3-none-any.whl", "torch-1.0.tar.gz"]),
    url=st.just("placeholder"),
    sha256=st.none() | st.just(HASH),
    requires_python=st.none() | st.sampled_from([">=3.8,<4", '>="3"', "&lt;"]),
    metadata_sha256=st.sampled_from([None, "", HASH]),
    yanked=st.none() | st.sampled_from(["", "old", '"><a href="x">', "a & b"]),
)


@given(st.lists(_files, max_size=3, unique_by=lambda file: file.name))
def test_a_rendered_page_reads_back(files: list[IndexFile]) -> None:
    from dataclasses import replace
    from urllib.parse import quote

    files = [replace(file, url=f"https://index.example/f/{quote(file.name)}") for file in files]
    page = ProjectPage("torch", tuple(files))
    assert parse_page(render_json(page, lambda file: file.url), JSON_TYPE, URL, "torch") == page
    assert parse_page(render_html(page, lambda file: file.url), HTML_TYPE, URL, "torch") == page


# -- URLs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@index.example/simple/?token=t#frag", "https://index.example/simple/"),
        ("https://to%40ken@index.example:8443/x", "https://index.example:8443/x"),
        ("https://a@b@index.example/x", "https://index.example/x"),
        ("https://index.example/simple", "https://index.example/simple"),
    ],
)
def test_a_redacted_url_has_no_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_credentials_belong_to_scheme_host_and_port() -> None:
    known = origin("https://user@Index.Example:8443/simple")
    assert known == ("https", "index.example:8443")
    others = ["http://index.example:8443/", "https://index.example/", "https://index.example.evil.example:8443/"]
    assert all(origin(url) != known for url in others)


def test_an_invalid_url_is_not_shown() -> None:
    assert redacted("https://user:secret@[index.example/x") == "(no URL)"
