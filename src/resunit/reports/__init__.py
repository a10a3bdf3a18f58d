"""Pages, tables and figures from the records of runs; a page opens from disk without a network."""
