"""Opens a page in headless Chromium: its DOM, its picture, and what axe finds wrong with it."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

_CHECK = """<script>
document.querySelectorAll("details").forEach(part => { part.open = true; });
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const text = JSON.stringify({
    violations: found.violations.map(v => ({id: v.id, impact: v.impact,
      nodes: v.nodes.map(n => n.html.slice(0, 200))})),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  });
  document.body.innerHTML = "";
  const shown = document.createElement("pre");
  document.body.append(Object.assign(shown, {id: "axe", textContent: text}));
});
</script>"""


def chromium() -> str:
    """Path of Chromium; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium here (Debian package chromium)")
    return found


def opened(page: Path, width: int, *flags: str) -> str:
    """Open a page in a window, and return what Chromium prints."""
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
        f"--user-data-dir={page.parent / 'browser'}",
        f"--window-size={width},1400",
    ]
    command = [chromium(), *options, *flags, page.resolve().as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return run.stdout


def findings(page: Path, width: int) -> dict[str, Any]:
    """Check a page with axe; ``wide`` is the number of pixels by which it is wider than the window.

    Each finding has the id of its rule, its impact, and the elements.
    """
    script = Path(sysconfig.get_paths()["purelib"]) / "axe_core_python" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe is not installed (pip package axe-core-python)")
    checked = page.with_name(f"{page.stem}-{width}.checked.html")
    html = page.read_text(encoding="utf-8")
    axe = f"<script>{script.read_text(encoding='utf-8')}</script>"
    checked.write_text(html.replace("</body>", f"{axe}{_CHECK}</body>"), encoding="utf-8")
    dom = opened(checked, width, "--virtual-time-budget=20000", "--dump-dom")
    found = re.search(r'<pre id="axe">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-500:]
    text = found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    result: dict[str, Any] = json.loads(text)
    return result
