"""Networks for other tools: one file a target, and one check that all targets pass before anything is kept.

`resunit.interop.export.exporting` has the function that `resunit export` calls.
"""

from resunit.interop.export.exporting import Exported, export

__all__ = ["Exported", "export"]
