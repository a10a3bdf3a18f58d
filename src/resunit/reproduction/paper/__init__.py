"""The paper's tables and figures as data: the networks, the rows, and the errors that were measured."""
