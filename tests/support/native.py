"""A source distribution with an extension in C: what `build-apt` is for."""

from __future__ import annotations

import gzip
import io
import tarfile

BACKEND = """
import pathlib, subprocess, sysconfig, zipfile

NAME = "{name}-{version}"
METADATA = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory) / (NAME + ".dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\\n")
    return folder.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    include = sysconfig.get_path("include")
    subprocess.run(["gcc", "-shared", "-fPIC", "-I", include, "{name}.c", "-o", "{name}.so", "-lz"], check=True)
    library = "{name}" + sysconfig.get_config_var("EXT_SUFFIX")
    tag = "cp311-cp311-linux_x86_64"
    contents = {{
        library: pathlib.Path("{name}.so").read_bytes(),
        NAME + ".dist-info/METADATA": METADATA.encode(),
        NAME + ".dist-info/WHEEL": ("Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: " + tag + "\\n").encode(),
    }}
    record = NAME + ".dist-info/RECORD"
    contents[record] = "".join(path + ",,\\n" for path in [*contents, record]).encode()
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / (NAME + "-" + tag + ".whl"), "w") as wheel:
        for path, data in contents.items():
            wheel.writestr(path, data)
    return NAME + "-" + tag + ".whl"


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
"""

SOURCE = """
#include <Python.h>
#include <zlib.h>

static PyObject *crc(PyObject *self, PyObject *args) {{
    const char *data;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "y#", &data, &size))
        return NULL;
    return PyLong_FromUnsignedLong(crc32(0, (const Bytef *)data, (uInt)size));
}}

static PyMethodDef methods[] = {{{{"crc", crc, METH_VARARGS, "CRC 32 by zlib."}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods, NULL, NULL, NULL, NULL}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""


def native_sdist(name: str, version: str) -> tuple[str, bytes]:
    """File name and bytes. Building it needs gcc, Python's headers and zlib's; its metadata needs nothing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in (
            ("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'),
            ("backend.py", BACKEND.format(name=name, version=version)),
            (f"{name}.c", "#define PY_SSIZE_T_CLEAN" + SOURCE.format(name=name)),
            ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        ):
            data = content.encode()
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return f"{name}-{version}.tar.gz", gzip.compress(buffer.getvalue(), mtime=0)
