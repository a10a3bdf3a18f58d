"""Typed fields: the values of a frozen dataclass, checked against its annotations and read from JSON.

A field's annotation holds everything about its values: their type, their bounds (`Bounds`) and their choices
(`Literal`). A recipe, a network's spec and every record of a run are read by the same two functions.
"""

import ast
import dataclasses
import inspect
import math
import textwrap
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from resunit.errors import UsageError, unknown

T = TypeVar("T")
KIND_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Bounds:
    """The allowed range of a finite number, ends included unless they are open; None is no bound."""

    low: float | None = None
    high: float | None = None
    low_is_open: bool = False
    high_is_open: bool = False

    def allow(self, value: float) -> bool:
        """Return whether `value` lies in the range; NaN and infinity never do."""
        above = self.low is None or value > self.low or (value == self.low and not self.low_is_open)
        below = self.high is None or value < self.high or (value == self.high and not self.high_is_open)
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        parts = []
        if self.low is not None:
            parts.append(f"{'above' if self.low_is_open else 'at least'} {_number(self.low)}")
        if self.high is not None:
            parts.append(f"{'below' if self.high_is_open else 'at most'} {_number(self.high)}")
        return " and ".join(parts) or "finite"


@dataclass(frozen=True)
class Topic:
    """The heading under which help explains a field; it stands in the field's annotation, as bounds do."""

    name: str


FINITE = Bounds()
ABOVE_ZERO = Bounds(0, low_is_open=True)
SHARE = Bounds(0, 1)
SHARE_BELOW_ONE = Bounds(0, 1, high_is_open=True)


def check_value(name: str, value: object, kind: Any) -> Any:
    """Return `value` as the type `kind`: whole numbers become floats and lists become tuples where asked.

    Raises:
        UsageError: `value` is of another type, outside of the bounds or no choice; the message names the
            field and what is allowed.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        checked = check_value(name, value, arguments[0])
        _check_bounds(name, checked, [extra for extra in arguments[1:] if isinstance(extra, Bounds)])
        return checked
    if origin is Literal:
        if value not in arguments:
            raise unknown(name, str(value), map(str, arguments))
        return value
    if origin in (Union, types.UnionType):
        return _check_union(name, value, arguments)
    if origin is tuple:
        return _check_tuple(name, value, arguments)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(name, value, "an object")
        return {str(key): check_value(f"{name}.{key}", item, arguments[1]) for key, item in value.items()}
    if kind is Any or kind is object:
        return value
    if is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise _wrong(name, value, "an object")
        return from_json(kind, value, prefix=f"{name}.")
    # NumPy's numbers are registered as such; a truth value is a whole number to Python, and to nobody else.
    if kind is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if kind is float and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise _wrong(name, value, _describe_kind(kind))
    return value


def _check_bounds(name: str, value: Any, bounds: Iterable[Bounds]) -> None:
    """Raise UsageError if a number, or one of a tuple of numbers, is out of its bounds; None has none."""
    for allowed in bounds:
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and not allowed.allow(number):
                raise UsageError(f"{name} must be {allowed}, not {number}")


def _check_union(name: str, value: object, kinds: Sequence[Any]) -> Any:
    """Return `value` as the first of `kinds` that it fits."""
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    if len(kinds) == 1:
        return check_value(name, value, kinds[0])
    for kind in kinds:
        try:
            return check_value(name, value, kind)
        except UsageError:
            continue
    raise _wrong(name, value, " or ".join(map(_describe_kind, kinds)))


def _check_tuple(name: str, value: object, kinds: Sequence[Any]) -> tuple[Any, ...]:
    """Return the items of a list as a tuple; `kinds` has the type of each item, or one type and an ellipsis."""
    if not isinstance(value, list | tuple):
        raise _wrong(name, value, "a list")
    kinds = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(kinds) != len(value):
        raise _wrong(name, value, f"a list of {len(kinds)}")
    pairs = enumerate(zip(value, kinds, strict=True))
    return tuple(check_value(f"{name}[{index}]", item, kind) for index, (item, kind) in pairs)


def check_fields(instance: object) -> None:
    """Check every field of a dataclass instance against its annotation, and store what `check_value` returns.

    A frozen dataclass calls it in `__post_init__`, so that an invalid instance cannot exist.

    Raises:
        UsageError: a field is ill-typed, out of its bounds or no choice.
    """
    for name, kind in annotations_of(type(instance)).items():
        object.__setattr__(instance, name, check_value(name, getattr(instance, name), kind))


def from_json(cls: type[T], record: Mapping[str, Any], *, prefix: str = "") -> T:
    """Return the dataclass `cls` that `record` describes; absent fields get their defaults.

    Raises:
        UsageError: a field is unknown, ill-typed, out of its bounds, or absent without a default.
    """
    kinds = annotations_of(cls)
    for name in record:
        if name not in kinds:
            raise unknown("field", f"{prefix}{name}", [f"{prefix}{known}" for known in kinds])
    needed = [
        field.name
        for field in fields(cls)  # pyright: ignore[reportArgumentType]
        if field.default is MISSING and field.default_factory is MISSING
    ]
    if missing := [name for name in needed if name not in record]:
        raise UsageError(f"the field {prefix}{missing[0]} is missing")
    return cls(**{name: check_value(f"{prefix}{name}", value, kinds[name]) for name, value in record.items()})


def to_json(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass instance as values that JSON can hold."""
    return {name: _plain(value) for name, value in dataclasses.asdict(instance).items()}


@cache
def annotations_of(cls: type) -> dict[str, Any]:
    """Return the annotations of a class's fields, bounds and topics included, but no class variables."""
    kinds = get_type_hints(cls, include_extras=True)
    return {name: kind for name, kind in kinds.items() if get_origin(kind) is not ClassVar}


def topic_of(kind: Any) -> str | None:
    """Return the heading that stands in the annotation `kind`, if one does."""
    topics = [extra.name for extra in getattr(kind, "__metadata__", ()) if isinstance(extra, Topic)]
    return topics[0] if topics else None


def is_optional(kind: Any) -> bool:
    """Return whether a field annotated with `kind` may be None."""
    return type(None) in get_args(_drop_extras(kind))


def plain_kind(kind: Any) -> Any:
    """Return the type in an annotation: without bounds and topics, and without "or None"."""
    kind = _drop_extras(kind)
    members = [member for member in get_args(kind) if member is not type(None)]
    return plain_kind(members[0]) if is_optional(kind) and len(members) == 1 else kind


def allowed_values(kind: Any) -> str:
    """Return the bounds or the choices in the annotation `kind` in words; empty where there are none."""
    if get_origin(plain_kind(kind)) is Literal:
        return f"one of {', '.join(map(str, get_args(plain_kind(kind))))}"
    bounds = [str(extra) for extra in getattr(kind, "__metadata__", ()) if isinstance(extra, Bounds)]
    return " and ".join(words for words in bounds if words != str(FINITE))


@cache
def docstrings_of(cls: type) -> dict[str, str]:
    """Return the docstring that follows each annotated field in the source of a class, on one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, following in zip(body.body, body.body[1:], strict=False):
        is_field = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if is_field and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[field.target.id] = " ".join(str(following.value.value).split())  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _drop_extras(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _wrong(name: str, value: object, expected: str) -> UsageError:
    shown = repr(value)
    return UsageError(f"{name} must be {expected}, not {shown if len(shown) < 60 else type(value).__name__}")


def _describe_kind(kind: Any) -> str:
    return KIND_NAMES.get(kind, getattr(kind, "__name__", str(kind)))
