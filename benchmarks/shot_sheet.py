"""``python -m benchmarks.shot_sheet REPORT.html``: a picture of a drill's score sheet.

The report is one that ``gasmon-sim drill`` wrote of a drill that was held; nothing of
it is made up here.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import browser
from gasmon.errors import DependencyError

SIZE = (1100, 1250)
QUALITY = 75


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shot_sheet")
    parser.add_argument("report", type=Path, metavar="REPORT.html")
    parser.add_argument("--out", type=Path, default=Path("docs/images/score.webp"))
    args = parser.parse_args(argv)
    if not args.report.is_file():
        print(f"shot_sheet: no file {args.report}", file=sys.stderr)
        return 2
    try:
        with browser() as running:
            size = {"width": SIZE[0], "height": SIZE[1]}
            page = running.new_page(viewport=size)  # type: ignore[arg-type]
            page.goto(args.report.resolve().as_uri())
            # Nothing is captured before the first frame is drawn.
            page.evaluate("new Promise((drawn) => requestAnimationFrame(drawn))")
            args.out.write_bytes(_picture(page))
    except DependencyError as error:
        print(f"shot_sheet: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.out}  {args.out.stat().st_size // 1000} kB")
    return 0


def _picture(page: Page) -> bytes:
    how = {"format": "webp", "quality": QUALITY}
    told = page.context.new_cdp_session(page).send("Page.captureScreenshot", how)
    return base64.b64decode(told["data"])


if __name__ == "__main__":
    sys.exit(main())
