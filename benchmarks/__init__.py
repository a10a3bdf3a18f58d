"""Measure speed and memory of resunit next to other libraries, on one machine and in turns.

The command is `python -m benchmarks SUBJECT`. A subject, such as "train" or "memory", is what a benchmark is
about. An entry is one piece of work that is measured for it: resunit, another library in one configuration, or
a limit of the machine. Nothing in `src/resunit` imports this package, and the wheel does not hold it.
"""
