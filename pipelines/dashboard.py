"""The dashboard of ``flame serve`` and ``flame join``: pages for this machine that change nothing.

Whoever has the key in the address can read them; browsers get no other page to load.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from flame.core.error_log import log_error
from flame.core.errors import BadInput
from flame.evaluation.pages.kit_page import Told, server_page, site_page
from flame.federation.privacy.site_policy import POLICY_FILE, read_policy
from flame.federation.run_files import RUNS
from flame.pipelines import monitor

Say = Callable[[str], None]
_HERE = "127.0.0.1"
_REFRESH_S = 5
_REMEMBERED = 500
"""Latest messages that are kept."""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard:
    """Pages about a kit.

    Args:
        kit: kit of a server or of a site.
        data: data of the site; None at a server.
    """

    def __init__(self, kit: Path, data: Path | None = None) -> None:
        self.kit, self.data = kit, data
        self.key = secrets.token_urlsafe(16)
        self.told: deque[Told] = deque(maxlen=_REMEMBERED)

    def hears(self, say: Say) -> Say:
        """Return ``say``, of which the dashboard keeps the messages."""

        def both(text: str) -> None:
            self.told.append(Told(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}", text))
            say(text)

        return both

    def page(self, path: str) -> str | None:
        """Render the page at a path.

        Args:
            path: path of the address, which begins with the key.

        Returns:
            The page as HTML; None if there is none.
        """
        _, key, *rest = [*unquote(path.partition("?")[0]).split("/"), "", ""]
        if not compare_digest(key.encode(), self.key.encode()):
            return None
        parts = [part for part in rest if part]
        told = tuple(self.told)
        if not parts and self.data is None:
            return server_page(self.kit, told, _REFRESH_S)
        if not parts and self.data is not None:
            policy = read_policy(self.kit / "local" / POLICY_FILE)
            return site_page(self.kit, told, policy, _described(self.data), _REFRESH_S)
        if parts[0] == "runs" and len(parts) == 2:
            known = {p.name: p for p in (self.kit / RUNS).glob("*/")}
            return self._run(known[parts[1]]) if parts[1] in known else None
        return None

    def _run(self, run: Path) -> str:
        """Return the page of a run, which ``flame monitor`` writes into its folder."""
        try:
            return monitor.run(run, refresh_s=_REFRESH_S).html.read_text(encoding="utf-8")
        except BadInput as error:
            return f"<!doctype html><title>run</title><p>{_safe(str(error))}"


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _described(data: Path) -> str:
    """Describe the data of a site by numbers of patients."""
    if data.is_dir():
        patients = {p.name for p in data.glob("sub-*") if p.is_dir()}
        return f"{len(patients)} preprocessed patients; quality.html there shows their quality."
    table = pd.read_csv(data, sep=None, engine="python")
    missing = table.isna().sum()
    gaps = ", ".join(f"{name} {count}" for name, count in missing[missing > 0].items())
    return f"A table of {len(table)} rows. Missing values: {gaps or 'none'}."


@contextmanager
def shown(dashboard: Dashboard, port: int, say: Say) -> Iterator[None]:
    """Serve a dashboard on this machine during the body.

    Args:
        dashboard: the dashboard.
        port: TCP port; 0: any that is free.
        say: called with its address.

    Raises:
        BadInput: the port is in use.
    """
    try:
        server = ThreadingHTTPServer((_HERE, port), _handler(dashboard))
    except OSError as error:
        raise BadInput(f"--dashboard {port}: {error.strerror}; give another port, or 0") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(f"dashboard: http://{_HERE}:{server.server_port}/{dashboard.key}/")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(dashboard: Dashboard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a page, or with 404."""
            # Another name would be that of a web page that wants to read this one.
            host = self.headers.get("Host", "").partition(":")[0]
            try:
                found = dashboard.page(self.path) if host in (_HERE, "localhost") else None
                status = 200 if found is not None else 404
            except Exception as error:
                log_error(dashboard.kit, "dashboard", error)
                found, status = "<!doctype html><title>FLAME</title><p>Try again.", 500
            body = (found or "<!doctype html><title>FLAME</title><p>No such page.").encode()
            self.send_response(status)
            for name, value in {**_HEADERS, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the address, with its key, out of the output."""

    return Handler
