"""The tables of versions.toml as models of pydantic, which name every fault, and make the JSON schema.

pydantic takes long to import. So only files with faults need this module, see `table_reader.py`.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType, new_class
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, StringConstraints, Tag, ValidationError
from pydantic import Field as ModelField

from lockgen.manifest.schema_errors import SchemaError
from lockgen.manifest.tables import Length, Number, Shapes, Text, VersionsFile, declared, spelling, type_of

SCHEMA_PATH = "lockgen/manifest/versions.schema.json"


def validate(document: dict[str, object]) -> VersionsFile | list[SchemaError]:
    """The tables of ``document``, or everything that is wrong with its shape."""
    try:
        model = _model(VersionsFile).model_validate(document)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        return [SchemaError(error["type"], error["loc"], error.get("ctx") or {}, error["input"]) for error in errors]
    versions: VersionsFile = _value(model)
    return versions


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of versions.toml."""
    schema = _model(VersionsFile).model_json_schema(by_alias=True)
    _close(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _close(part: object) -> None:
    """Names that fit no pattern are wrong: pydantic leaves them open in the schema, and refuses them itself."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)


# -- from tables to models -----------------------------------------------------------


class _StrictModel(BaseModel):
    """Unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=spelling)


_TABLES: dict[type[BaseModel], Any] = {}
"""The table of each model."""


@cache
def _model(table: Any) -> type[BaseModel]:
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {"__module__": __name__, "__doc__": table.__doc__, "__annotations__": annotations}
    for item in fields(table):
        if declared(item).is_rest:
            body["model_config"] = ConfigDict(extra="allow")
            body["__pydantic_extra__"] = ModelField(init=False)
            annotations["__pydantic_extra__"] = _type(type_of(item))
        else:
            body[item.name] = _model_field(item)
            annotations[item.name] = _type(type_of(item))
    model: type[BaseModel] = new_class(table.__name__, (_StrictModel,), exec_body=lambda found: found.update(body))
    _TABLES[model] = table
    return model


def _model_field(item: Field[Any]) -> Any:
    key = declared(item)
    found: dict[str, Any] = {"description": key.description or None}
    if type_of(item) is int:
        found |= {"ge": key.least, "le": key.most}
    else:
        found |= {"min_length": key.least, "max_length": key.most}
    if item.default_factory is not MISSING:
        found["default"] = item.default_factory()
    elif is_dataclass(item.default):
        # Not validated: these are the defaults of the table.
        table: Any = type_of(item)
        found["default"] = _model(table).model_construct()
    elif item.default is not MISSING:
        found["default"] = item.default
    return ModelField(**found)


def _type(annotation: Any) -> Any:
    """The type ``annotation`` with the limits that pydantic knows."""
    if is_dataclass(annotation):
        table: Any = annotation
        return _model(table)
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        kind, limit = arguments
        return _limited(kind, limit)
    if origin in (list, dict):
        return origin[tuple(map(_type, arguments))]
    if origin in (UnionType, Union):
        return Union[tuple(map(_type, arguments))]  # noqa: UP007
    return annotation


def _limited(kind: Any, limit: object) -> Any:
    match limit:
        case Shapes(shape, text, other, tag):
            return Annotated[_tagged(text, "=text") | _tagged(other, tag), Discriminator(shape)]
        case Text(None, least, most, description):
            return Annotated[kind, ModelField(min_length=least, max_length=most, description=description)]
        case Text(pattern, _, most):
            return Annotated[kind, StringConstraints(pattern=pattern, max_length=most)]
        case Number(least, most):
            return Annotated[kind, ModelField(ge=least, le=most)]
        case Length(least):
            return Annotated[_type(kind), ModelField(min_length=least)]
    raise TypeError(limit)


def _tagged(annotation: Any, tag: str) -> Any:
    return Annotated[_type(annotation), Tag(tag)]


# -- from models to tables -----------------------------------------------------------


def _value(value: Any) -> Any:
    """``value`` with tables instead of models."""
    if isinstance(value, BaseModel):
        table = _TABLES[type(value)]
        return table(**{item.name: _value(_attribute(value, item)) for item in fields(table)})
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    return value


def _attribute(model: BaseModel, item: Field[Any]) -> Any:
    return model.__pydantic_extra__ if declared(item).is_rest else getattr(model, item.name)
