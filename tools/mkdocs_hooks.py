"""What the documentation needs beyond MkDocs and its plugins.

Links to files outside of docs/ (sources, results of benchmarks) hold in the repository as they are
written. On the site each such file becomes a page of its own, below `tree/`, and the links go
there. Formulas, fenced as ``math``, become MathML: no script, nothing to fetch.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(\]\(|^\[[^\]]+\]: )([^)\s#]+)", re.M)
LANGUAGES = {
    ".cpp": "cpp",
    ".cu": "cuda",
    ".hpp": "cpp",
    ".json": "json",
    ".pbtxt": "text",
    ".py": "python",
    ".pyi": "python",
    ".toml": "toml",
}


def on_config(config: Any) -> Any:
    """Has blocks of ``math`` shown as formulas."""
    fence = {"name": "math", "class": "math", "format": formula}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
    return config


def formula(source: str, *_: Any, **__: Any) -> str:
    """A block of LaTeX, one formula a paragraph, as HTML."""
    lines = "\n".join(convert(line, display="block") for line in source.strip().split("\n\n"))
    return f'<div class="formula">{lines}</div>'


def on_files(files: Files, config: Any) -> Files:
    """Adds a page for each file of the repository that a page, also one of these, links to."""
    waiting = [ROOT / "docs" / page.src_uri for page in files.documentation_pages()]
    made: set[str] = set()
    while waiting:
        page = waiting.pop()
        if page.suffix != ".md":
            continue
        for target in outside(page):
            if target not in made:
                made.add(target)
                file = File.generated(config, place_of(target), content=shown(target))
                file.inclusion = file.inclusion.NOT_IN_NAV
                files.append(file)
                waiting.append(ROOT / target)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turns links that leave docs/ to the pages of their files."""
    uri = page.file.src_uri
    origin = uri.removeprefix("tree/").removesuffix(".page.md") if is_tree(uri) else f"docs/{uri}"

    def turned(match: re.Match[str]) -> str:
        target = repository_path(origin, match[2])
        if target is None or not (is_tree(uri) or not target.startswith("docs/")):
            return match[0]
        goal = target.removeprefix("docs/") if target.startswith("docs/") else place_of(target)
        return match[1] + posixpath.relpath(goal, posixpath.dirname(uri) or ".")

    return LINK.sub(turned, markdown)


def is_tree(uri: str) -> bool:
    return uri.startswith("tree/")


def place_of(target: str) -> str:
    return f"tree/{target}.page.md"


def shown(target: str) -> str:
    """A file of the repository as a page."""
    text = (ROOT / target).read_text(encoding="utf-8")
    if target.endswith(".md"):
        return text
    language = LANGUAGES.get(Path(target).suffix, "text")
    return f"# {Path(target).name}\n\n`{target}`\n\n````{language}\n{text}\n````\n"


def outside(page: Path) -> Iterator[str]:
    """The files outside of docs/ that a page of the repository links to."""
    origin = page.relative_to(ROOT).as_posix()
    for _, link in LINK.findall(page.read_text(encoding="utf-8")):
        target = repository_path(origin, link)
        if target is not None and not target.startswith("docs/"):
            yield target


def repository_path(origin: str, link: str) -> str | None:
    """The file that a link in a document names, from the repository's root; None: it is no file
    there."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return None
    path = os.path.normpath(posixpath.join(posixpath.dirname(origin), link))
    return path if not path.startswith("..") and (ROOT / path).is_file() else None
