"""Networks for other tools: one file a target, and one check that all targets pass before anything is kept.

`resunit.interop.export.exporting` has the function that `resunit export` calls.
"""
