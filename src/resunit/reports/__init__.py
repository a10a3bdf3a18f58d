"""Records of runs become pages that open from disk with no network."""

from resunit.reports.run_page import write_run_page

__all__ = ["write_run_page"]
