"""Commands that do not exist: the message names the command of the same meaning or spelling, and all commands."""

from difflib import get_close_matches

from cyclopts import UnknownCommandError

from resunit.errors import UsageError

# These commands of other tools have the meaning of a command here.
_WORDS = {
    "train": "fit finetune fine-tune resume run",
    "evaluate": "eval test val validate score",
    "predict": "infer inference classify pred",
    "models": "list list-models model zoo",
    "data": "dataset datasets download",
    "propagation": "dissect inspect analyze analyse",
    "report": "compare plot",
    "reproduce": "experiment experiments paper tables",
}
SYNONYMS = {word: command for command, words in _WORDS.items() for word in words.split()}


def unknown_command(error: UnknownCommandError) -> UsageError:
    """Return the error for a word that is no command of `error.app`, which may itself be a command."""
    (name, *_), app = error.unused_tokens or [""], error.app
    if name.startswith("-"):
        return UsageError(f"unknown option {name}; options stand behind a command: resunit COMMAND {name}")
    known = [] if app is None else sorted(one for one in app if not one.startswith("-") and app[one].show)
    parent = [*(error.command_chain or ())]
    meant = _meant(name, known)
    suggestion = f"did you mean {' '.join([*parent, meant])!r}? " if meant else ""
    return UsageError(
        f"unknown command {' '.join([*parent, name])!r}; {suggestion}known: {', '.join(known) or 'none'}"
    )


def _meant(name: str, known: list[str]) -> str | None:
    if SYNONYMS.get(name) in known:
        return SYNONYMS[name]
    # A wrong first letter is hardly ever a slip: `export` would be near to `report`.
    near = get_close_matches(name.lower(), [one for one in known if one[0] == name[:1].lower()], n=1)
    return near[0] if near else None
