"""The options of the command line that are not written by hand: one for each field of a recipe and of a network.

A field's annotation gives an option its type, bounds, choices and heading, and the field's docstring its help,
so that a new field is an option at once. An option that was not given is in no recipe: `changes` leaves it out.
"""

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin

from cyclopts import App, Group, Parameter, Token

from resunit.cli.unknown_options import option_name, option_names, unknown_options
from resunit.io.fields import allowed_values, check_value, docstrings_of, is_optional, plain_kind, topic_of
from resunit.models.design_source import is_own_design
from resunit.models.options import DESCRIPTIONS, OPTIONS
from resunit.training.recipe import FIELDS, Recipe

# Where pydantic is imported, cyclopts lets it check defaults too: it takes this text as text and as a boolean.
NOT_GIVEN: Any = type("NotGiven", (str,), {"__repr__": lambda _: "not given"})("no")
# The option --recipe gives a recipe its name, and each model option has an option of its own.
NEVER_OPTIONS = ("name", "model_options")

# The arguments that no option of the command takes; they may be options of a design of the user's own.
LEFT_OVER = Parameter(allow_leading_hyphen=True, show=False)


class Options(Protocol):
    """The options of one command, as the command line gives them to a command's function."""

    def changes(self) -> dict[str, Any]:
        """Return the values of the options that were given, by the name of the field."""
        ...


def recipe_options(exclude: Collection[str] = ()) -> type[Options]:
    """Return a dataclass of options: every field of a recipe, and every option of designs and networks.

    Args:
        exclude: the fields and options that the command leaves out, or chooses in another way.
    """
    kinds = {name: kind for name, kind in (FIELDS | OPTIONS).items() if name not in NEVER_OPTIONS}
    kept = {name: kind for name, kind in kinds.items() if name not in exclude}
    return _options("RecipeOptions", kept, docstrings_of(Recipe) | DESCRIPTIONS)


def model_options() -> type[Options]:
    """Return a dataclass of options: every option of designs and networks."""
    return _options("ModelOptions", OPTIONS, DESCRIPTIONS)


def split_arguments(arguments: Iterable[str]) -> tuple[list[str], dict[str, str | None]]:
    """Return the words among the arguments that a command's own options left, and the unknown options.

    An unknown option has the text after it, or None where another option follows it or nothing does.
    """
    words: list[str] = []
    options: dict[str, str | None] = {}
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if not argument.startswith("-"):
            words.append(argument)
            continue
        name, equals, text = argument.partition("=")
        has_text = bool(equals) or (bool(rest) and not rest[0].startswith("--"))
        options[name] = (text if equals else rest.popleft()) if has_text else None
    return words, options


def own_design_options(design: str | None, given: Mapping[str, str | None], command: App) -> dict[str, Any]:
    """Import a design of the user's own, if `design` names one, and return its options from the command line.

    Args:
        design: the text of --design, if it was given.
        given: the unknown options of the command line, as `split_arguments` returns them.
        command: the command, whose options are suggested where a name is unknown.

    Returns:
        The value of each option, of the type of its default; --x is True and --no-x is False.

    Raises:
        UsageError: the design cannot be imported, or it has no such option.
    """
    defaults: Mapping[str, object] = {}
    if is_own_design(design):
        from resunit.models.custom import add_design

        defaults = add_design(design).options
    values, odd = {}, []
    for option, text in given.items():
        name = option.lstrip("-").replace("-", "_")
        if text is None:
            text = "false" if name not in defaults and name.startswith("no_") else "true"
            name = name if text == "true" else name.removeprefix("no_")
        if name not in defaults:
            odd.append(option)
            continue
        values[name] = parse(name, text, type(defaults[name]))
    if odd:
        known = [*option_names(command), *map(option_name, defaults)]
        raise unknown_options(odd, known, " ".join(command.name))
    return values


def parse(name: str, text: str, kind: Any) -> Any:
    """Return the text of an option as a value of the type `kind`; "none" is None, commas part a tuple.

    Raises:
        UsageError: the text is no such value; the message names the option and what is allowed.
    """
    inner, value = plain_kind(kind), text
    if text.lower() == "none" and (is_optional(kind) or name in OPTIONS):
        return None
    if get_origin(inner) is tuple:
        parts = [] if text.lower() == "none" else text.split(",")
        value = tuple(_literal(part) for part in parts if part.strip())
    elif inner is not str and get_origin(inner) is not Literal:
        value = _literal(text)
    return check_value(option_name(name), value, kind)


def _options(name: str, kinds: Mapping[str, Any], descriptions: Mapping[str, str]) -> type[Options]:
    topics = dict.fromkeys(topic_of(kind) or "Options" for kind in kinds.values())
    groups = {topic: Group.create_ordered(topic) for topic in topics}
    parameters = {
        key: _parameter(key, kind, groups[topic_of(kind) or "Options"], descriptions[key])
        for key, kind in kinds.items()
    }
    members = [(key, parameter, field(default=NOT_GIVEN)) for key, parameter in parameters.items()]

    def changes(self: Any) -> dict[str, Any]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: value for key, value in values.items() if value is not NOT_GIVEN}

    made = make_dataclass(name, members, namespace={"changes": changes}, frozen=True, kw_only=True)
    made.__module__ = __name__  # cyclopts takes a class of another module for a built-in class.
    return Parameter(name="*")(made)


def _parameter(name: str, kind: Any, group: Group, description: str) -> Any:
    shown = Parameter(help=_help(kind, description), group=group, show_default=False)
    if plain_kind(kind) is bool:
        return Annotated[bool, shown]

    def convert(_type: Any, tokens: Sequence[Token]) -> Any:
        return parse(name, tokens[0].value, kind)

    return Annotated[Any, shown, Parameter(converter=convert, metavar=_metavar(kind))]


def _help(kind: Any, description: str) -> str:
    """Return the help of an option; where a field's docstring names a field, help names its option."""
    words = re.sub(
        r"`(\w+)`", lambda found: option_name(found[1]) if found[1] in FIELDS else found[0], description
    )
    allowed = allowed_values(kind)
    return f"{words} [{allowed}]" if allowed else words


def _metavar(kind: Any) -> str:
    inner = plain_kind(kind)
    if get_origin(inner) is tuple:
        return "NAME,..." if get_args(inner)[0] is str else "FLOAT,..."
    return {int: "INT", float: "FLOAT", str: "TEXT"}.get(inner, "NAME")


def _literal(text: str) -> Any:
    """Return the number or boolean that `text` spells, else `text` itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
