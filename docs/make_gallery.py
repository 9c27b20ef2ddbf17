"""Takes a picture of every page of a demonstration for docs/gallery.md.

    python docs/make_gallery.py DEMO

DEMO is the folder of ``flame demo``. Needs Chromium on the path.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ASSETS = Path(__file__).resolve().parent / "assets"
PAGES = {
    "index": ("index.html", 2300),
    "quality": ("preprocessed/centre-1/quality.html", 1500),
    "response": ("response/report.html", 2600),
    "survival": ("survival/report.html", 2200),
    "forecast": ("forecast/prediction.html", 2100),
    "stream": ("stream/stream.html", 2600),
}
"""Page in the folder of the demonstration, and the height in pixels that is shown."""
WIDTH = 1200
SHOWN = 800
"""Width of the page and of the picture in pixels."""


def picture(page: Path, height: int, out: Path) -> None:
    """Write a JPEG of the upper part of a page."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is not on the path: install it, for example with apt install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "page.png"
        size = f"--window-size={WIDTH},{height}"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
        command = [browser, *options, f"--screenshot={shot}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        image = Image.open(shot).convert("RGB")
        image.resize((SHOWN, height * SHOWN // WIDTH)).save(out, quality=60, optimize=True)


def main() -> None:
    """Take the pictures."""
    demo = Path(sys.argv[1])
    ASSETS.mkdir(exist_ok=True)
    for name, (path, height) in PAGES.items():
        picture(demo / path, height, ASSETS / f"page-{name}.jpg")


if __name__ == "__main__":
    main()
