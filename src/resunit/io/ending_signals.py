"""The signals that ask a program to end, and after which a run can be continued."""

import signal

# Ctrl-C; the end of a process; the end of its terminal; and what batch systems send before they kill: a notice, or
# the end of the processor time that was granted.
ENDING_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
