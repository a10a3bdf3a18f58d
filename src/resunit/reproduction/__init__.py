"""The paper's tables, figures and claims: rows as data, the runner, verdicts."""
