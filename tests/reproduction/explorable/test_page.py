"""The explorable page: made by a command, self-contained, and the same in both languages."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.reproduction.explorable.page import EXAMPLES, LANGUAGES, SHORTCUTS, Language, read_words, render
from tests.cli.command_lines import refused

# What a page may refer to: itself, and the empty icon in the shell.
ADDRESS = re.compile(
    r"""(?:src|href)\s*=\s*(?!["']data:,)|url\(|@import|https?://(?!www\.w3\.org/2000/svg")"""
)


def test_the_command_writes_one_file_that_refers_to_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "page.html"
    assert main(["explore", "--out", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(path), "language": "en"}
    page = path.read_text("utf-8")
    assert ADDRESS.findall(page) == []
    assert '<html lang="en">' in page
    assert len(page) < 400_000


def test_the_page_imports_no_torch(tmp_path: Path) -> None:
    arguments = ["explore", "--language", "ko", "--out", str(tmp_path / "page.html")]
    code = f"import sys; from resunit.cli import main; main({arguments!r}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert '<html lang="ko">' in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("out", ["page.pdf", "folder.html"])
def test_another_ending_and_a_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    assert "--out" in refused(capsys, 2, "explore", "--out", str(tmp_path / out))


def test_the_languages_say_the_same() -> None:
    english, *others = (read_words(language) for language in LANGUAGES)
    for words in others:
        assert words.keys() == english.keys()
        for key, text in words.items():
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[key])), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_page_and_no_other_has_a_text(language: Language) -> None:
    page = render(language)
    content = re.search(r'id="content">(.*?)</script>', page, re.DOTALL)
    assert content is not None
    used = set(re.findall(r'data-words="([\w-]+)"', page)) | set(re.findall(r'words\("([\w-]+)"', page))
    used |= {f"look_{name}" for name in EXAMPLES} | {*SHORTCUTS} | {*json.loads(content[1])["placements"]}
    used |= {"passes", "fades", "vanishes", "grows", "explodes", "name"}
    used |= {"forward_eq_4", "forward_eq_7", "backward_eq_5", "backward_eq_8"}
    used |= {"result_meaning", "result_matrix_meaning"}
    assert used == read_words(language).keys()
