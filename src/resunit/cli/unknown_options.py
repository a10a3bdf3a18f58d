"""Options that do not exist: the message names the option of the same meaning, or the nearest spelling."""

from collections.abc import Collection

from cyclopts import App, CycloptsError, UnknownOptionError

from resunit.errors import UsageError, unknown

# Options of other tools for what an option here means.
SYNONYMS = {
    "--lr": "--learning-rate",
    "--lr0": "--learning-rate",
    "--batch": "--batch-size",
    "--bs": "--batch-size",
    "--epoch": "--epochs",
    "--iterations": "--steps",
    "--max-steps": "--steps",
    "--wd": "--weight-decay",
    "--decay": "--weight-decay",
    "--imgsz": "--image-size",
    "--img-size": "--image-size",
    "--arch": "--model",
    "--dataset": "--data",
    "--data-dir": "--data",
    "--output": "--out",
    "--output-dir": "--out",
    "--opt": "--optimizer",
    "--sched": "--schedule",
    "--warmup-lr": "--warmup-learning-rate",
    "--smoothing": "--label-smoothing",
    "--amp": "--precision",
    "--val": "--validation",
    "--augmented-views": "--tta",
    "--group-size": "--ghost-batch-size",
    "--widening": "--shortcut-option",
    "--drops": "--milestones",
    "--scales": "--resize-scales",
    "--scale-ends": "--resize-ends",
    "--memory": "--activation-checkpointing",
}


def option_name(field_name: str) -> str:
    """Return the option of a field: learning_rate -> --learning-rate."""
    return "--" + field_name.replace("_", "-")


def option_names(command: App) -> list[str]:
    """Return the names of all options of a command, but for those that switch something off."""
    arguments = command.assemble_argument_collection()
    return [name for one in arguments for name in one.parameter.name or () if name.startswith("--")]


def unknown_option(name: str, known: Collection[str]) -> UsageError:
    """Return the error for an option that is not among `known`."""
    meant = SYNONYMS.get(name)
    if meant in known:
        return UsageError(f"unknown option {name}; did you mean {meant}?")
    return unknown("option", name, known)


def explained(error: CycloptsError) -> Exception:
    """Return what a command line's error says better: our own refusal of a value, or an unknown option."""
    if isinstance(error.__cause__, UsageError):
        return error.__cause__
    if isinstance(error, UnknownOptionError) and error.app is not None:
        return unknown_option(error.token.keyword or error.token.value, option_names(error.app))
    return error
