"""How large report.html is for a full study, how long it takes to make, and how fast a browser shows it.

    PYTHONPATH=workflow_scripts:tests:tests/unit python -m benchmarks.report_page --items 754 --seeds 42 43 44

Made-up results: two tasks with so many items each, photo-like pictures of 480 x 320 pixels, answers of about
800 characters that compress badly. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import synthetic_results
from PIL import Image, ImageFilter
from playwright.sync_api import Page, sync_playwright
from report_results import make_results

from othink_mr1.report.page import write_report

# Read in the page: what a reader waits for.
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_FILTERED = """
new Promise((done) => {
  const started = performance.now();
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
  }).observe(document.getElementById("list"), { childList: true, subtree: true });
  %s;
})
"""
_FILTERS = {
    "a preset": "document.querySelectorAll('#presets button')[1].click()",
    "all again": "document.querySelectorAll('#presets button')[0].click()",
    "a search": "(() => { const box = document.querySelector('input[type=search]'); box.value = 'circle'; "
    "box.dispatchEvent(new Event('input', { bubbles: true })); })()",
}


def photo(rng: random.Random, *_: object) -> bytes:
    """A picture that compresses as photographs do."""
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    coarse = Image.fromarray(noise).resize((480, 320), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(rng.randrange(2**32)).integers(-12, 13, (320, 480, 3))
    picture = np.clip(np.asarray(coarse.filter(ImageFilter.GaussianBlur(2))) + grain, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def thinking(rng: random.Random) -> str:
    """About 800 characters of made-up words."""
    letters = "etaoinshrdlu"
    return " ".join("".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(rng.randint(60, 180)))


def shown(file: Path) -> dict[str, float]:
    """Milliseconds until the page is first painted, its items can be used, and each filter is applied."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        page.goto(f"file://{file}", wait_until="commit")
        while not page.evaluate("document.querySelectorAll('#list .row').length > 0"):
            time.sleep(0.01)
        found = {"items": 1000 * (time.perf_counter() - started)}
        time.sleep(3)  # charts out of sight are drawn when there is nothing else to do
        found["first paint"] = page.evaluate(_FIRST_PAINT)
        found |= {name: page.evaluate(_FILTERED % action) for name, action in _FILTERS.items()}
        browser.close()
    return found


def main() -> None:
    """Make the results in a temporary folder, the page, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=754, help="of each of two tasks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    arguments = parser.parse_args()
    made_up: Any = synthetic_results
    made_up._scene = made_up._circle = photo
    made_up.SyntheticResults.thinking = staticmethod(thinking)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plan = make_results(root, items=arguments.items, seeds=tuple(arguments.seeds))
        started = time.perf_counter()
        write_report(plan, root, root / "report.html")
        seconds = time.perf_counter() - started
        size = (root / "report.html").stat().st_size
        print(f"{arguments.items} items a task, seeds {arguments.seeds}")
        print(f"{size / 2**20:.1f} MiB, made in {seconds:.1f} s")
        for name, milliseconds in shown(root / "report.html").items():
            print(f"{name}: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
