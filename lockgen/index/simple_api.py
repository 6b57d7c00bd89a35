"""One project page of an index, over HTTP."""

from __future__ import annotations

from lockgen.core.index import ProjectPage
from lockgen.index.page_reader import ACCEPT, parse_page
from lockgen.io.http import Http


def read_page(http: Http, url: str, project: str, only: str | None = None) -> ProjectPage:
    """The page of ``project`` on the index at ``url``; empty if the index does not have the project.

    With ``only``, the page has at most the file of that name.

    Raises:
        ToolFailed: the index cannot be read.
    """
    # With the slash: most servers redirect the address without it.
    address = f"{url.rstrip('/')}/{project}/"
    answer = http.get(address, accept=ACCEPT)
    if answer.status == 404:
        return ProjectPage(project, ())
    # Relative links count from where the page was found, after redirects.
    return parse_page(answer.body, answer.content_type, answer.url, project, only)
