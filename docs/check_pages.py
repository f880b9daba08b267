"""Look at the built site in a real browser, at the width of a phone and of a desktop.

    python docs/check_pages.py build/site [--screenshots FOLDER] [--only PART_OF_A_NAME]

Each page must fit its window (wide things scroll inside boxes), show all its pictures, ask for nothing that is not in
the folder, and raise no error in a script. Exits with 1 and names what does not. Without Chromium or Chrome it says so
and exits with 0: there is nothing to check with. It speaks to the browser by the DevTools protocol over a pipe.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDTHS = {"phone": 360, "desktop": 1280}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

#: What a page says of itself: its width, what sticks out of it, pictures that are not there.
REPORT = """(() => {
    const width = document.documentElement.clientWidth;
    const article = document.querySelector('article') || document.body;
    const boxed = e => { for (; e && e !== article; e = e.parentElement)
        if (['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) return true;
        return false; };
    return JSON.stringify({
        scroll: document.documentElement.scrollWidth,
        height: document.documentElement.scrollHeight,
        wide: [...article.querySelectorAll('*')]
            .filter(e => e.getBoundingClientRect().right > width + 1 && !boxed(e))
            .slice(0, 5).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 40)),
        pictures: [...document.images].filter(i => i.loading !== 'lazy' && !i.naturalWidth).map(i => i.src),
    }); })()"""


class Browser:
    """A headless browser at the other end of two pipes, with one page."""

    def __init__(self, program: str, profile: str) -> None:
        there, self._out = os.pipe()
        self._in, back = os.pipe()

        def ends() -> None:  # the protocol's pipes are 3 and 4 of the browser
            os.dup2(os.dup(there), 103), os.dup2(os.dup(back), 104)
            os.dup2(103, 3), os.dup2(104, 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=ends,
            close_fds=False,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(there), os.close(back)
        self._numbers, self._buffer, self._session = itertools.count(1), b"", ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result; events that come in between are kept in `events`.

        Raises:
            RuntimeError: the browser refuses the command, or is gone.
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 16)
            if not part:
                raise RuntimeError("the browser closed its pipe")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def open(self, url: str, width: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())

    def evaluate(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def screenshot(self, file: Path, width: int, height: int) -> None:
        area = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        picture = self.call("Page.captureScreenshot", format="png", clip=area, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(picture["data"]))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        os.close(self._out), os.close(self._in)


def look(browser: Browser, page: Path, width: int) -> tuple[list[str], int]:
    """What is wrong with a page at one width, and the page's height."""
    browser.open(page.as_uri(), width)
    report = json.loads(browser.evaluate(REPORT))
    wrong = []
    if report["scroll"] > width:
        wrong.append(f"scrolls sideways: {report['scroll']} pixels")
    wrong += [f"sticks out, and is in no box that scrolls: {element}" for element in report["wide"]]
    wrong += [f"picture does not show: {picture}" for picture in report["pictures"]]
    for event in browser.events:
        what, params = event.get("method"), event.get("params", {})
        if what == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:", "blob:")):
            wrong.append(f"asks the network: {params['request']['url']}")
        if what == "Network.loadingFailed" and not params.get("canceled"):
            wrong.append(f"something is not there: {params['errorText']}")
        if what == "Runtime.exceptionThrown":
            wrong.append(f"script: {params['exceptionDetails'].get('text')}")
    return wrong, report["height"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="keep a picture of each page at each width")
    parser.add_argument("--only", default="", metavar="PART", help="pages with this in their path")
    options = parser.parse_args(arguments)
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"not looked at: none of {', '.join(BROWSERS)} is installed")
        return 0
    site = options.site.resolve()
    pages = [p for p in sorted(site.rglob("*.html")) if "_static" not in p.parts and options.only in p.as_posix()]
    if not pages:
        parser.error(f"no pages in {site}")
    failures = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page, (name, width) in itertools.product(pages, WIDTHS.items()):
                wrong, height = look(browser, page, width)
                inside = page.relative_to(site)
                failures += len(wrong)
                for sentence in wrong:
                    print(f"{inside} at {width} px: {sentence}")
                if options.screenshots:
                    options.screenshots.mkdir(parents=True, exist_ok=True)
                    stem = "-".join(inside.with_suffix("").parts)
                    browser.screenshot(options.screenshots / f"{stem}-{name}.png", width, height)
        finally:
            browser.close()
    print(f"{len(pages)} pages at {' and '.join(map(str, WIDTHS.values()))} px: {failures or 'nothing'} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
