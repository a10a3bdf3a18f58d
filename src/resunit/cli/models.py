"""`resunit models`: the zoo as a table."""

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.errors import UsageError


@app.command(help_epilogue="Example:\n  resunit models 'preresnet*'")
def models(pattern: str = "*", *, common: Common = COMMON) -> int:
    """List the networks: depth, parameters, multiply-adds and unit; and the designs that they take.

    Parameters
    ----------
    pattern
        Only names that match this shell pattern.
    """
    from resunit.models.table import describe_models, designs_in_words, models_table

    records = describe_models(pattern)
    if not records:
        raise UsageError(f"no model matches {pattern!r}; `resunit models` lists all")
    if common.json:
        tell_json(records)
    else:
        from rich.console import Console

        console = Console(width=100, highlight=False)
        console.print(models_table(records))
        console.print(designs_in_words())
    return DONE
