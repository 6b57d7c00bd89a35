"""Records of OSV, and its API on loopback: it rejects what the real one rejects, and pages on request.

Written against google.github.io/osv.dev/api and ossf.github.io/osv-schema, not against lockgen.
"""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.loopback import QuietHandler, listening

Record = dict[str, Any]
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def record(
    identifier: str,
    package: str,
    *events: Mapping[str, str],
    aliases: Sequence[str] = (),
    versions: Sequence[str] = (),
    vector: str | None = None,
    word: str | None = None,
    withdrawn: bool = False,
    ecosystem: str = "PyPI",
    summary: str = "something is wrong",
) -> Record:
    """One record about one package; ``events`` are one range."""
    affected: Record = {"package": {"ecosystem": ecosystem, "name": package}}
    if events:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": [dict(event) for event in events]}]
    if versions:
        affected["versions"] = list(versions)
    found: Record = {
        "schema_version": "1.6.0",
        "id": identifier,
        "modified": "2025-05-01T00:00:00Z",
        "summary": summary,
        "aliases": list(aliases),
        "affected": [affected],
    }
    if vector is not None:
        found["severity"] = [{"type": "CVSS_V3", "score": vector}]
    if word is not None:
        found["database_specific"] = {"severity": word}
    if withdrawn:
        found["withdrawn"] = "2025-05-02T00:00:00Z"
    return found


def before(fixed: str, first: str = "0") -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {"introduced": first}, {"fixed": fixed}


def write_dump(folder: Path, records: Sequence[Record]) -> Path:
    """A folder of just these records."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in records:
        (folder / f"{entry['id']}.json").write_text(json.dumps(entry))
    return folder


def write_zip(path: Path, records: Sequence[Record]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in records:
            archive.writestr(f"{entry['id']}.json", json.dumps(entry))
    return path


@dataclass
class LocalOsv:
    """``faults`` answers the next requests of a path by a status, or by bytes as they are, before the real answers."""

    records: list[Record] = field(default_factory=list)
    url: str = ""
    page: int = 1000
    asked: list[tuple[str, Any]] = field(default_factory=list)
    faults: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    drip: float = 0.0

    def batch(self, document: Any) -> tuple[int, Any]:
        queries = document.get("queries") if isinstance(document, dict) else None
        if not isinstance(queries, list) or not queries or len(queries) > 1000:
            return 400, {"code": 3, "message": "Too many queries, or none."}
        for query in queries:
            package = query.get("package", {})
            bad = set(query) - {"package", "version", "page_token"} or set(package) != {"name", "ecosystem"}
            if bad or package["ecosystem"] != "PyPI" or "+" in query.get("version", ""):
                return 400, {"code": 3, "message": "Invalid query."}
        return 200, {"results": [self.result(query) for query in queries]}

    def result(self, query: Any) -> Any:
        name = query["package"]["name"]
        mine = [r for r in self.records if any(a["package"]["name"].lower() == name for a in r["affected"])]
        start = int(query.get("page_token", "0"))
        rows = [{"id": r["id"], "modified": r["modified"]} for r in mine[start : start + self.page]]
        more = {"next_page_token": str(start + self.page)} if start + self.page < len(mine) else {}
        return {**({"vulns": rows} if rows else {}), **more}

    def respond(self, method: str, path: str, document: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, document))
        kind = "querybatch" if path.endswith("querybatch") else "vulns"
        if self.faults.get(kind):
            return self.faults[kind].pop(0)
        if (method, path) == ("POST", "/v1/querybatch"):
            status, answer = self.batch(document)
            return status, {}, json.dumps(answer).encode()
        if method == "GET" and path.startswith("/v1/vulns/"):
            found = [r for r in self.records if r["id"] == path.removeprefix("/v1/vulns/")]
            return (200, {}, json.dumps(found[0]).encode()) if found else (404, {}, b'{"code":5,"message":"no"}')
        return 404, {}, b"{}"


@contextmanager
def osv_serving(osv: LocalOsv) -> Iterator[LocalOsv]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.answer(None)

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, document: object) -> None:
            status, headers, body = osv.respond(self.command, self.path, document)
            time.sleep(osv.drip)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Content-Length" in headers

    with listening(Handler) as address:
        osv.url = f"http://{address}"
        yield osv
