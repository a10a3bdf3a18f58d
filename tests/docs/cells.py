"""Run the cells of a notebook as a kernel does, and print what each shows: python -m tests.docs.cells NOTEBOOK

The cells share one module, the program has no file, an event loop runs, and neither stream is a file. The values of
the last lines come as JSON: their HTML where they have one, else their text, and null where a cell shows nothing.
"""

import ast
import asyncio
import io
import json
import sys
import types
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def show(value: object) -> str | None:
    """Return what a notebook shows of the value of a cell's last line."""
    if value is None:
        return None
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)  # pyright: ignore[reportAttributeAccessIssue]


def run_cell(source: str, name: str, variables: dict[str, object]) -> str | None:
    """Run a cell; `name` is what a traceback calls it. Return what the cell shows."""
    *statements, last = ast.parse(source, name).body
    if not isinstance(last, ast.Expr):
        exec(compile(source, name, "exec"), variables)
        return None
    exec(compile(ast.Module(statements, []), name, "exec"), variables)
    return show(eval(compile(ast.Expression(last.value), name, "eval"), variables))


async def run(path: Path) -> list[str | None]:
    """Run all cells in order; return what each shows."""
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    shown = []
    for number, cell in enumerate(code_cells(path), 1):
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            shown.append(run_cell("".join(cell["source"]), f"{path.name}, cell {number}", vars(main)))
    return shown


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Path(sys.argv[1])))))
