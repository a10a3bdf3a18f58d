"""The reproduction of the paper: its tables, figures and claims, the runs that they need, and verdicts."""
