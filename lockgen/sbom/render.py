"""A bill of materials as CycloneDX 1.6, with the standard's own library; the same bytes for the same lock."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Literal
from urllib.parse import quote

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from lockgen.sbom.model import Bill, Part

SbomFormat = Literal["json", "xml"]

_TOOL = "tool:lockgen"
"""The reference of lockgen itself in each bill."""


def render(bill: Bill, style: SbomFormat, version: str) -> str:
    """CycloneDX 1.6. ``version`` is lockgen's. Licences are left out: no lock knows them."""
    root, *below = [_image(link.reference) for link in bill.chain]
    base = _image(bill.base_image)
    parts = {part.package.name: _package(part, bill) for part in bill.parts}
    tool = Component(name="lockgen", version=version, type=ComponentType.APPLICATION, bom_ref=_TOOL)
    metadata = BomMetaData(tools=ToolRepository(components=[tool]), component=root, timestamp=bill.moment)
    if bill.moment is None:
        # The library would take the clock's, and every run would write other bytes.
        metadata.timestamp = None  # type: ignore[assignment]
    bom = Bom(
        components=[*below, base, *parts.values()],
        metadata=metadata,
        serial_number=_serial(bill),
        dependencies=_dependencies(bill, {"": base, **parts}),
    )
    form = OutputFormat.JSON if style == "json" else OutputFormat.XML
    return make_outputter(bom, form, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def is_ours(data: bytes) -> bool:
    """Whether a file is a bill that lockgen wrote: it names the tool, in both styles."""
    return _TOOL.encode() in data


def _serial(bill: Bill) -> uuid.UUID:
    """From all that the bill says, so that another image or another lock has another one (RFC 9562, version 5)."""
    said = [
        [[link.reference, link.asks, link.below] for link in bill.chain],
        [[part.package.pin, part.package.index, _file(part), part.needs] for part in bill.parts],
        sorted(bill.indexes.items()),
        bill.moment.isoformat() if bill.moment is not None else None,
    ]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"lockgen {digest}")


def _file(part: Part) -> list[str]:
    return [part.package.chosen.name, part.package.chosen.sha256]


def _dependencies(bill: Bill, known: dict[str, Component]) -> list[Dependency]:
    def of(component: Component, others: list[Dependency]) -> Dependency:
        return Dependency(component.bom_ref, dependencies=others)

    return [
        of(known[""], []),
        *(of(known[part.package.name], [of(known[name], []) for name in part.needs]) for part in bill.parts),
        *(
            of(_image(link.reference), [of(_image(link.below), []), *(of(known[name], []) for name in link.asks)])
            for link in bill.chain
        ),
    ]


def _package(part: Part, bill: Bill) -> Component:
    package, file = part.package, part.package.chosen
    where = bill.indexes.get(package.index) if package.index is not None else None
    qualifiers = {"repository_url": where} if where is not None else {}
    purl = PackageURL("pypi", name=package.name, version=package.version, qualifiers=qualifiers)
    properties = [Property(name="lockgen:file", value=file.name)]
    if package.built:
        properties.append(Property(name="lockgen:built-from-source", value="true"))
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"pypi:{package.pin}",
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        external_references=[
            # All files of the lock; where an index other than the default one has them, under its address.
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(f"{where.rstrip('/')}/{package.name}/#{quote(one.name)}" if where else quote(one.name)),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)],
            )
            for one in package.files
        ],
        properties=properties,
    )


def _image(reference: str) -> Component:
    """An image by its reference: NAME, NAME:TAG, NAME@sha256:DIGEST, each with or without a registry's host."""
    bare, _, digest = reference.partition("@sha256:")
    path, colon, tag = bare.rpartition(":")
    if not colon or "/" in tag:  # a port is not a tag
        path, tag = bare, ""
    host, slash, rest = path.partition("/")
    if not slash or not (set(host) & {".", ":"} or host == "localhost"):
        host, rest = "", path
    namespace, _, name = rest.rpartition("/")
    return Component(
        name=path,
        version=tag or (f"sha256:{digest}" if digest else None),
        type=ComponentType.CONTAINER,
        bom_ref=f"image:{reference}",
        purl=PackageURL(
            "docker",
            namespace=namespace or None,
            name=name,
            version=tag or (f"sha256:{digest}" if digest else None),
            qualifiers={"repository_url": host} if host else {},
        ),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else [],
    )
