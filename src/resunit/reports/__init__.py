"""Pages, tables and figures from the records of runs; a page opens from disk without a network."""

from resunit.reports.run_page import write_run_page

__all__ = ["write_run_page"]
