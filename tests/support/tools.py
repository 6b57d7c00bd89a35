"""The uv that is installed here, as the wheel that it came from: images in tests are installed by the real one."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from importlib.metadata import distribution
from pathlib import Path


@cache
def real_uv() -> tuple[str, str, bytes]:
    """Version, file name and bytes of a wheel of uv."""
    uv = distribution("uv")
    tag = next(line for line in (uv.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    stem = f"uv-{uv.version}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("METADATA", "WHEEL"):
            _add(archive, f"{stem}.dist-info/{name}", (uv.read_text(name) or "").encode())
        binary = next(Path(str(uv.locate_file(f))) for f in uv.files or () if f.name == "uv" and f.parent.name == "bin")
        _add(archive, f"{stem}.data/scripts/uv", binary.read_bytes())
        listed = "".join(f"{entry.filename},,\n" for entry in archive.infolist())
        _add(archive, f"{stem}.dist-info/RECORD", f"{listed}{stem}.dist-info/RECORD,,\n".encode())
    return uv.version, f"{stem}-{tag.removeprefix('Tag: ')}.whl", buffer.getvalue()


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16  # pip asks whether it is a regular file
    archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
