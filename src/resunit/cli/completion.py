"""`resunit --install-completion`: the shell completes commands and options at the Tab key."""

from typing import Literal

from resunit.cli.app import COMMON, Common, answer, app
from resunit.errors import UsageError, WriteError


@app.command(
    name="--install-completion", help_epilogue="Example:\n  resunit --install-completion --shell zsh"
)
def install_completion(
    *, shell: Literal["bash", "zsh", "fish"] | None = None, common: Common = COMMON
) -> int:
    """Let the shell complete commands and options of resunit at the Tab key.

    A script is written to the user's folder of completions, and ~/.bashrc or ~/.zshrc get a line that loads it.

    Args:
        shell: The shell; by default the one that the command is typed in.
    """
    from cyclopts.completion import ShellDetectionError

    try:
        path = app.install_completion(shell=shell)
    except ShellDetectionError as error:
        raise UsageError(
            "--shell: the shell was not recognised; name it: --shell bash, zsh or fish"
        ) from error
    except OSError as error:
        raise WriteError(error.errno, error.strerror, error.filename) from error
    return answer(common, {"script": str(path)}, f"{path}: loaded by each new shell")
