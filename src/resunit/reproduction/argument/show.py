"""The type of a function that measures what shows a statement."""

from collections.abc import Callable
from typing import TypeAlias

from resunit.reproduction.argument.networks import Networks
from resunit.reproduction.argument.shown import Shown

Show: TypeAlias = Callable[[Networks], Shown]
