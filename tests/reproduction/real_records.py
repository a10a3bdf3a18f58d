"""Records of real runs, made at a scale that is no more."""

from pathlib import Path

MINI = Path(__file__).parents[2] / "results" / "mini.jsonl"
