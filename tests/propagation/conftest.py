"""The browser that looks at pages, as the tests of reports have it."""

from tests.reports.conftest import browser, open_page

__all__ = ["browser", "open_page"]
