"""The program `resunit`, also `python -m resunit`, which torchrun starts."""

import sys


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C while it is still loading is one line too."""
    try:
        from resunit.cli import main as run_command_line

        return run_command_line()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("resunit: interrupted before anything began; give the command again", file=sys.stderr)
        goes_on = any(argument.partition("=")[0] == "--resume" for argument in sys.argv)
        return 4 if goes_on else 1


if __name__ == "__main__":
    sys.exit(main())
