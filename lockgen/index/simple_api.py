"""Project pages of an index, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from packaging.utils import canonicalize_name

from lockgen.core.index import ProjectPage
from lockgen.core.urls import redacted
from lockgen.errors import FlatIndex, ToolFailed
from lockgen.index.page_reader import ACCEPT, ACCEPT_HTML, lists_files, parse_page
from lockgen.index.parallel_reads import WORKERS
from lockgen.io.http import Http
from lockgen.io.http_model import AccessForbidden
from lockgen.io.stopping import thread_pool

_START = 256 * 1024
"""The bytes of an index that are read to see whether it is a flat page: the list of all projects may have 40 MB."""

_flat_lock = threading.Lock()
_flat: WeakKeyDictionary[Http, dict[str, bool]] = WeakKeyDictionary()
"""Whether the indexes that lack a project are flat pages, by URL: each is read once in a run."""


def read_page(http: Http, url: str, project: str, only: str | None = None) -> ProjectPage:
    """The page of ``project`` on the index at ``url``; empty if the index does not have the project.

    With ``only``, the page has at most the file of that name.

    Raises:
        AccessForbidden: the index answers with 403. It may mean the same as 404, see `read_pages`.
        FlatIndex: ``url`` is a flat list of files.
        ToolFailed: the index cannot be read.
    """
    page = _page(http, url, project, only)
    if page is None:
        _refuse_flat_page(http, url, [project], http.index_name(url))
        return ProjectPage(project, ())
    return page


def _page(http: Http, url: str, project: str, only: str | None = None) -> ProjectPage | None:
    """See `read_page`; None if the index does not have the project."""
    plain = http.add_index(url)
    # With the slash: most servers redirect the address without it.
    address = f"{plain.rstrip('/')}/{project}/"
    answer = http.get(address, accept=ACCEPT)
    if answer.status == 404:
        return None
    # Relative links count from where the page was found, after redirects.
    return parse_page(answer.body, answer.content_type, answer.url, project, only)


def read_pages(http: Http, url: str, projects: Sequence[str], index: str | None = None) -> list[ProjectPage]:
    """The pages of ``projects`` on the index at ``url``, in their order. ``index`` is its name in versions.toml.

    Static file servers, such as the one of download.pytorch.org, answer with 403 if a file is missing. So a page with
    403 is empty if the index answers for another one.

    Raises:
        FlatIndex: ``url`` is a flat list of files.
        ToolFailed: the index cannot be read, or answers with 403 for every page.
    """
    with thread_pool(WORKERS) as pool:
        answers = list(pool.map(lambda project: _page_or_refusal(http, url, project), projects))
    pages = [answer for answer in answers if isinstance(answer, ProjectPage)]
    refusals = [answer for answer in answers if isinstance(answer, AccessForbidden)]
    if not any(page.files for page in pages):
        _refuse_flat_page(http, url, projects, index)
        if refusals:
            raise refusals[0]
    return [
        answer if isinstance(answer, ProjectPage) else ProjectPage(project, ())
        for project, answer in zip(projects, answers, strict=True)
    ]


def _refuse_flat_page(http: Http, url: str, projects: Sequence[str], index: str | None) -> None:
    """Raise FlatIndex if there are files at ``url`` itself: it is the page of one project, or for pip's --find-links.

    ``index`` is None for an index that versions.toml does not name: the default index.
    """
    with _flat_lock:
        known = _flat.setdefault(http, {})
    if url not in known:
        # Two threads may read it: that is not worth a longer lock.
        known[url] = _is_flat(http, http.add_index(url))
    if not known[url]:
        return
    plain = redacted(url).rstrip("/")
    where = f"[index.{index}] url {plain}" if index is not None else f"the default index {plain}"
    folder, _, last = plain.rpartition("/")
    hint = "give the URL that has a page for each package (PEP 503); a list for --find-links has none"
    if canonicalize_name(last) in projects:
        hint = f"remove the name of the package: {folder}"
    if index is None:
        hint += " (UV_DEFAULT_INDEX, or the settings of uv)"
    raise FlatIndex(
        f"{where} is a flat list of files: there is no page at {plain}/{projects[0]}/",
        path=("index", index, "url") if index is not None else None,
        hint=hint,
    )


def _is_flat(http: Http, url: str) -> bool:
    try:
        # Without a slash at the end: the page may be a file, such as torch_stable.html.
        with http.opened(url, {"Accept": ACCEPT_HTML}) as answer:
            if answer.status != 200:
                return False
            start = answer.body.read(_START)
            return lists_files(start, answer.headers.get("content-type", ""), url)
    except ToolFailed:
        # Why the pages of the projects could not be read is the better message.
        return False


def _page_or_refusal(http: Http, url: str, project: str) -> ProjectPage | AccessForbidden:
    try:
        return _page(http, url, project) or ProjectPage(project, ())
    except AccessForbidden as refusal:
        return refusal
