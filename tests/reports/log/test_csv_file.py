import csv
from pathlib import Path

from resunit.reports.log.csv_file import CsvFile
from tests.reports.log.logs import make_line


def test_a_line_an_evaluation_with_every_bit(tmp_path: Path) -> None:
    lines = [make_line(3), make_line(7)]
    CsvFile(tmp_path / "log.csv").write(lines)
    rows = list(csv.DictReader((tmp_path / "log.csv").open(newline="")))
    assert list(rows[0]) == [
        "step", "epoch", "train_loss", "train_error", "split", "loss", "error", "images", "learning_rate",
        "images_per_second", "seconds",
    ]  # fmt: skip
    for row, line in zip(rows, lines, strict=True):
        assert int(row["step"]) == line.step
        assert float(row["error"]) == line.error
        assert float(row["loss"]) == line.loss
        assert (row["split"], row["images_per_second"]) == ("test", "")


def test_lines_that_are_gone_are_gone(tmp_path: Path) -> None:
    file = CsvFile(tmp_path / "log.csv")
    file.write([make_line(1), make_line(2)])
    file.write([make_line(1)])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    file.write([])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1
