"""Check the links of the built site: each must lead to a file of the site, and its anchor to a place in it.

    python docs/check_links.py build/site

Links to other sites are not followed, as a build must not depend on a network; they must be https, and well-formed.
Exits with 1 and names the links that lead nowhere.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

WHERE = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "srcset"}


class Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if WHERE.get(tag, "") in given:
            self.links.add(given[WHERE[tag]])


def problem(link: str, path: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with a link of the page at `path`, or an empty string."""
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto"):
        return ""
    if parts.scheme or parts.netloc:
        return "" if parts.scheme == "https" and "." in parts.netloc else "not a well-formed https address"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "no such anchor"
    return ""


def main(folder: str) -> int:
    site = Path(folder).resolve()
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    links = [(path, link) for path, page in pages.items() for link in sorted(page.links)]
    wrong = [(path, link, found) for path, link in links if (found := problem(link, path, pages))]
    for path, link, found in wrong:
        print(f"{path.relative_to(site)}: {link}: {found}")
    print(f"{len(pages)} pages, {len(links)} links: {len(wrong) or 'nothing'} wrong")
    return 1 if wrong or not pages else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} SITE")
    sys.exit(main(sys.argv[1]))
