"""Weights of other libraries: their names and conventions as data, and the conversion to ours and back.

One file holds one library. `resunit.interop.convert` has the conversion of a file, `resunit.interop.mapping` that
of tensors, in both directions.
"""
