"""Options that do not exist get the option of the same meaning or the nearest spelling; missing values are named."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path

from cyclopts import (
    App,
    Argument,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
)

from resunit.cli.unknown_commands import unknown_command
from resunit.errors import UsageError

# These options of other tools and of older versions have the meaning of an option here; a word stands for --word.
_WORDS = {
    "--learning-rate": "lr lr0 l-r eta base-lr init-lr learningrate max-lr",
    "--batch-size": "batch bs b batchsize train-batch-size mini-batch-size",
    "--epochs": "epoch e max-epochs num-epochs n-epochs nb-epochs epoch-count",
    "--steps": "iterations iters max-steps num-steps n-steps max-iters max-iter",
    "--weight-decay": "wd decay l2 wdecay",
    "--momentum": "mom",
    "--image-size": "imgsz img-size img input-size resolution imsize crop-size",
    "--model": "arch a m net network model-name architecture",
    "--data": "dataset data-dir d data-path data-root dataroot root train-dir dataset-dir",
    "--out": "output output-dir o out-dir save-dir project log-dir logdir run-dir checkpoint-dir name exp run-name",
    "--seed": "random-seed manual-seed rng-seed",
    "--optimizer": "opt optim optimiser",
    "--schedule": "sched scheduler lr-scheduler lr-schedule",
    "--warmup": "warmup-steps warmup-epochs",
    "--warmup-learning-rate": "warmup-lr",
    "--label-smoothing": "smoothing",
    "--precision": "amp dtype fp16 bf16 mixed-precision half",
    "--validation": "val val-split valid-size val-size",
    "--compile": "torchcompile torch-compile",
    "--device": "gpu gpus cpu cuda no-cuda accelerator",
    "--resume": "resume-from continue",
    "--weights": "pretrained pretrained-weights finetune checkpoint ckpt initial-checkpoint",
    "--config": "config-file cfg",
    "--tta": "augmented-views",
    "--ghost-batch-size": "group-size",
    "--shortcut-option": "widening",
    "--milestones": "drops lr-steps lr-milestones decay-epochs",
    "--evaluate-every": "eval-every eval-freq eval-interval val-interval test-every",
    "--evaluate-steps": "eval-steps val-steps",
    "--checkpoint-every": "save-every save-freq save-steps save-interval save-period checkpoint-interval",
    "--resize-scales": "scales",
    "--resize-ends": "scale-ends",
    "--activation-checkpointing": "memory gradient-checkpointing grad-checkpointing",
}
SYNONYMS = {f"--{word}": option for option, words in _WORDS.items() for word in words.split()}
# Options of other tools that are not needed here, and why.
_NEEDLESS_WORDS = {
    "images are read by as many processes and threads as this machine has cores for": "workers num-workers j n-workers",
    "the data set says how many classes there are": "num-classes nc n-classes num-labels",
}
NEEDLESS = {f"--{word}": reason for reason, words in _NEEDLESS_WORDS.items() for word in words.split()}

NEAR = 0.75  # how alike two spellings are, from 0 to 1, before one is suggested for the other


def find_meant_field(word: str) -> str:
    """Return the field of a recipe that a word of other tools means, or the word itself: lr -> learning-rate."""
    return SYNONYMS.get(f"--{word.lstrip('-').lower().replace('_', '-')}", word).lstrip("-")


def option_name(field_name: str) -> str:
    """Return the option of a field: learning_rate -> --learning-rate."""
    return "--" + field_name.replace("_", "-")


def option_names(command: App) -> list[str]:
    """Return the names of all options of a command, except those that switch something off."""
    arguments = command.assemble_argument_collection()
    return [name for one in arguments for name in one.parameter.name or () if name.startswith("--")]


def unknown_options(names: Sequence[str], known: Collection[str], command: str) -> UsageError:
    """Return the error for one option or more that are not among `known`; each gets its own remedy.

    Args:
        names: the options, as they were typed.
        known: the options of the command.
        command: the name of the command, whose --help is named where no option is near.
    """
    if len(names) == 1:
        return UsageError(f"unknown option {names[0]}; {_remedy(names[0], known, command)}")
    remedies = "; ".join(f"{name}: {_remedy(name, known, command)}" for name in names)
    return UsageError(f"unknown options; {remedies}")


def _remedy(name: str, known: Collection[str], command: str) -> str:
    if name == "-":
        return "files are not read from standard input; name them"
    if Path(name).exists():
        return f"write ./{name} for the file of that name"
    spelled = "--" + name.lstrip("-").lower().replace("_", "-")
    meant = SYNONYMS.get(spelled)
    if meant in known:
        return f"did you mean {meant}?"
    if spelled in NEEDLESS:
        return f"leave it out, because {NEEDLESS[spelled]}"
    plain = {option.lstrip("-"): option for option in known}
    near = get_close_matches(spelled.lstrip("-"), plain, n=1, cutoff=NEAR)
    return f"did you mean {plain[near[0]]}?" if near else f"see `resunit {command} --help`"


def explain(error: CycloptsError) -> Exception:
    """Return a clearer error: our own refusal of a value, or the nearest name of an unknown option or command."""
    if isinstance(error.__cause__, UsageError):
        return error.__cause__
    if isinstance(error, RepeatArgumentError):
        return UsageError(f"{error.token.keyword or error.token.value} is given twice; give it once")
    if isinstance(error, UnknownCommandError):
        return unknown_command(error)
    if isinstance(error, UnknownOptionError) and error.app is not None:
        command = " ".join(error.command_chain or error.app.name)
        typed = error.token.keyword or error.token.value
        return unknown_options([typed], option_names(error.app), command)
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return _missing_value(error, error.argument)
    return error


def _missing_value(error: MissingArgumentError, argument: Argument) -> UsageError:
    """Return the error for an option without its value, or for a command without what it requires."""
    command = " ".join(error.command_chain or ())
    keyword = error.keyword or next((token.keyword for token in argument.tokens if token.keyword), None)
    if keyword is not None:
        return UsageError(f"{keyword} needs a value; see `resunit {command} --help`")
    # A required argument in place is called by the word that the usage line of --help has for it.
    name = argument.name.lstrip("-").upper() if argument.field_info.is_positional else argument.name
    return UsageError(f"{command} needs {name}; see `resunit {command} --help`")
