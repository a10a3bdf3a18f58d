"""The page of the argument: every statement of the paper, with what shows it here."""
