"""How many faults of a kind were tried, and how many of them resunit passed."""

from dataclasses import dataclass, field


@dataclass
class Figures:
    """The count of one kind of fault."""

    kind: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> int:
        return self.tried - len(self.failures)

    def add(self, case: str, problems: list[str]) -> None:
        """Count one case, which failed if there are problems."""
        self.tried += 1
        if problems:
            self.failures.append(f"{case}: {'; '.join(problems)}")

    def check(self) -> None:
        """Raise AssertionError if a case failed."""
        assert self.tried > 0, self.kind
        assert not self.failures, f"{self.kind}:\n" + "\n".join(self.failures)
