"""A hook of mkdocs: the explorable page in both languages is part of the site, and of no commit."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from resunit.reproduction.explorable.page import LANGUAGES, render


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add explore/en.html and explore/ko.html."""
    for language in LANGUAGES:
        files.append(File.generated(config, f"explore/{language}.html", content=render(language)))
    return files
