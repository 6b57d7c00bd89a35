"""A bill of materials as CycloneDX 1.6 (JSON and XML), rendered by the standard's own library."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from lockgen.core.lock import File
from lockgen.sbom.formats.format_type import SbomFormat
from lockgen.sbom.model import Bill, Part

_TOOL = "tool:lockgen"
"""The reference of lockgen itself in each bill."""


def _json(bill: Bill, version: str) -> str:
    return _text(bill, version, OutputFormat.JSON)


def _xml(bill: Bill, version: str) -> str:
    return _text(bill, version, OutputFormat.XML)


def _text(bill: Bill, version: str, output: OutputFormat) -> str:
    outputter = make_outputter(_bom(bill, version), output, SchemaVersion.V1_6)
    return outputter.output_as_string(indent=2) + "\n"


def _is_ours(data: bytes) -> bool:
    """Whether lockgen wrote a file: JSON and XML both name the tool."""
    return _TOOL.encode() in data


JSON = SbomFormat("cdx.json", _json, _is_ours)
XML = SbomFormat("cdx.xml", _xml, _is_ours)


def _bom(bill: Bill, version: str) -> Bom:
    """The whole document. Licences are left out, as the lock does not have them."""
    root, *below = [_image(link.reference) for link in bill.chain]
    base = _image(bill.base_image)
    packages = {part.package.name: _package(part, bill) for part in bill.parts}
    tool = Component(name="lockgen", version=version, type=ComponentType.APPLICATION, bom_ref=_TOOL)
    metadata = BomMetaData(tools=ToolRepository(components=[tool]), component=root, timestamp=bill.timestamp)
    if bill.timestamp is None:
        # The library would use the current time, and every run would write different bytes.
        metadata.timestamp = None  # type: ignore[assignment]
    return Bom(
        components=[*below, base, *packages.values()],
        metadata=metadata,
        serial_number=_serial_number(bill),
        dependencies=_dependencies(bill, base, packages),
    )


def _serial_number(bill: Bill) -> uuid.UUID:
    """A UUID of the content (RFC 9562, version 5): another image or another lock has a different one."""
    content = [
        [[link.reference, link.requirements, link.below] for link in bill.chain],
        [_part_content(part) for part in bill.parts],
        sorted(bill.indexes.items()),
        bill.timestamp.isoformat() if bill.timestamp is not None else None,
    ]
    text = json.dumps(content, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"lockgen {digest}")


def _part_content(part: Part) -> list[object]:
    package = part.package
    file = package.chosen
    return [package.pin, package.index, [file.name, file.sha256], part.dependencies]


# -- the dependency graph ---------------------------------------------------------------------


def _dependencies(bill: Bill, base: Component, packages: Mapping[str, Component]) -> list[Dependency]:
    """The root base image, which requires nothing, then all packages, then the images on top of each other."""
    found = [_dependency(base, [])]
    for part in bill.parts:
        required = [packages[name] for name in part.dependencies]
        found.append(_dependency(packages[part.package.name], required))
    for link in bill.chain:
        required = [packages[name] for name in link.requirements]
        found.append(_dependency(_image(link.reference), [_image(link.below), *required]))
    return found


def _dependency(component: Component, required: list[Component]) -> Dependency:
    dependencies = [Dependency(other.bom_ref) for other in required]
    return Dependency(component.bom_ref, dependencies=dependencies)


# -- packages ---------------------------------------------------------------------------------


def _package(part: Part, bill: Bill) -> Component:
    package = part.package
    index = bill.indexes.get(package.index) if package.index is not None else None
    # A purl without a repository means PyPI.
    qualifiers = {"repository_url": index} if index is not None else {}
    properties = [Property(name="lockgen:file", value=package.chosen.name)]
    if package.built:
        properties.append(Property(name="lockgen:built-from-source", value="true"))
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"pypi:{package.pin}",
        purl=PackageURL("pypi", name=package.name, version=package.version, qualifiers=qualifiers),
        hashes=[_sha256(package.chosen.sha256)],
        # All files in the lock, not only the one that the image has.
        external_references=[_distribution(file, package.name, index) for file in package.files],
        properties=properties,
    )


def _distribution(file: File, name: str, index: str | None) -> ExternalReference:
    url = quote(file.name)
    if index:
        url = f"{index.rstrip('/')}/{name}/#{url}"
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(url),
        hashes=[_sha256(file.sha256)],
    )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


# -- images -----------------------------------------------------------------------------------


class _ImageName(NamedTuple):
    """The parts of an image reference. Missing parts are "". ``path`` is the name with the registry."""

    path: str
    registry: str
    repository: str
    tag: str
    digest: str


def _parse_image(reference: str) -> _ImageName:
    """Splits NAME, NAME:TAG or NAME@sha256:DIGEST, each with or without a registry."""
    tagged, _, digest = reference.partition("@sha256:")
    path, colon, tag = tagged.rpartition(":")
    # The colon may also stand before the port of a registry.
    if not colon or "/" in tag:
        path = tagged
        tag = ""
    registry, slash, repository = path.partition("/")
    is_host = "." in registry or ":" in registry or registry == "localhost"
    if not slash or not is_host:
        registry = ""
        repository = path
    return _ImageName(path, registry, repository, tag, digest)


def _image(reference: str) -> Component:
    image = _parse_image(reference)
    namespace, _, name = image.repository.rpartition("/")
    version = image.tag
    if image.digest and not version:
        version = f"sha256:{image.digest}"
    purl = PackageURL(
        "docker",
        namespace=namespace or None,
        name=name,
        version=version or None,
        qualifiers={"repository_url": image.registry} if image.registry else {},
    )
    return Component(
        name=image.path,
        version=version or None,
        type=ComponentType.CONTAINER,
        bom_ref=f"image:{reference}",
        purl=purl,
        hashes=[_sha256(image.digest)] if image.digest else [],
    )
