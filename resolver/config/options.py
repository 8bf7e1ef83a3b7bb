"""How an option is declared: once, with everything the parser, the documentation and the operator need.

`option(...)` stands where pydantic's `Field` would. The type comes from the annotation (a kind of `values`, or a Literal
for a choice), the default is written as in a configuration file, and the rest travels as an `OptionFacts`.
`options_of` walks a section's declarations and returns them as `Option`s, in the order of declaration.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from resolver.config.values import Kind

# Otherwise pydantic reads the metadata of all installed distributions at every start, in search of plug-ins.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

LOCAL = "local practice"
"""Source of an option that no RFC and no guideline number speaks about."""


class Reload(Enum):
    """Whether a running daemon can take over a changed value."""

    LIVE = "at reload"
    RESTART = "restart"


class Effect(Enum):
    """Whether the option already does something."""

    NOW = "in effect"
    LATER = "accepted, no effect yet"
    """Part of the contract, checked and documented, but the feature behind it is not written yet."""


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """What `option` was told."""

    why: str
    source: str
    reload: Reload
    effect: Effect
    low: float | None
    high: float | None
    note: str


def option(
    default: object,
    why: str,
    *,
    source: str,
    reload: Reload,
    low: float | None = None,
    high: float | None = None,
    note: str = "",
    effect: Effect = Effect.NOW,
) -> Any:
    """Declare an option of a section.

    default: as an operator would write it. why: one sentence. source: RFC or guideline number, or LOCAL.
    low, high: inclusive bounds of the parsed value (seconds, octets, a count), or of the length of a list.
    note: what else is allowed or refused, for the range column.
    """
    facts = OptionFacts(why, source, reload, effect, low, high, note)
    return Field(default=default, json_schema_extra={"option": facts})  # type: ignore[dict-item]


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as declared."""

    section: str
    """`trust.nta`"""
    key: str
    """`max-lifetime`"""
    attribute: str
    """`max_lifetime`"""
    default: object
    """As written in a configuration file."""
    kind: Kind
    facts: OptionFacts

    @property
    def path(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def allowed(self) -> str:
        """The allowed range in words: `512 to 1232`, `"off", "relaxed" or "strict"`."""
        facts = self.facts
        low, high = (None if bound is None else self._bound(bound) for bound in (facts.low, facts.high))
        if low is None and high is None:
            text = self.kind.expects
        elif high is None:
            text = f"{self.kind.expects}, at least {low}"
        else:
            text = f"{low} to {high}"
        return f"{text}; {facts.note}" if facts.note else text

    def _bound(self, bound: float) -> object:
        return self.kind.show(bound) if self.kind.name in ("duration", "size") else int(bound)


class Section(BaseModel):
    """Base of every section: immutable, keys in kebab-case, defaults checked like any value."""

    model_config = ConfigDict(
        defer_build=True,  # a section's own validator is not needed, only that of the whole
        frozen=True,
        extra="forbid",
        validate_default=True,
        populate_by_name=True,
        alias_generator=lambda attribute: attribute.replace("_", "-"),
    )

    @field_validator("*", mode="after")
    @classmethod
    def _within_bounds(cls, value: object, info: ValidationInfo) -> object:
        facts = _facts(cls.model_fields[info.field_name or ""])
        if facts is None or (facts.low is None and facts.high is None):
            return value
        measure = value if isinstance(value, int | float) else len(value) if isinstance(value, tuple) else None
        if measure is not None:
            if facts.low is not None and measure < facts.low:
                raise PydanticCustomError("too_small", "too few" if isinstance(value, tuple) else "too small")
            if facts.high is not None and measure > facts.high:
                raise PydanticCustomError("too_large", "too many" if isinstance(value, tuple) else "too large")
        return value


def _facts(field: FieldInfo) -> OptionFacts | None:
    extra = field.json_schema_extra
    facts = extra.get("option") if isinstance(extra, dict) else None
    return facts if isinstance(facts, OptionFacts) else None


def _kind(field: FieldInfo) -> Kind:
    for item in field.metadata:
        if isinstance(item, Kind):
            return item
    if get_origin(field.annotation) is Literal:
        choices = [f'"{choice}"' for choice in get_args(field.annotation)]
        return Kind("choice", f"{', '.join(choices[:-1])} or {choices[-1]}")
    raise TypeError(f"an option needs a kind of resolver.config.values or a Literal, not {field.annotation!r}")


def options_of(section: type[BaseModel], name: str = "") -> Iterator[Option]:
    """The options of a section and of the sections in it; raises TypeError for a field not declared with `option`."""
    nested: list[tuple[str, type[BaseModel]]] = []
    for attribute, field in section.model_fields.items():
        key = field.alias or attribute
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            nested.append((f"{name}.{key}" if name else key, annotation))
            continue
        facts = _facts(field)
        if facts is None:
            raise TypeError(f"{section.__name__}.{attribute} is not declared with option(...)")
        yield Option(name, key, attribute, field.default, _kind(field), facts)
    for nested_name, nested_section in nested:
        yield from options_of(nested_section, nested_name)
