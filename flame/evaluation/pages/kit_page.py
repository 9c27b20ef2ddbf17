"""The dashboard of a kit: who is there, how runs go, what was said, and what left a hospital."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.evaluation.pages.drift_section import drift_section
from flame.evaluation.pages.page import filled
from flame.evaluation.pages.sections import Section
from flame.federation.history import in_a_line, read_history
from flame.federation.privacy.audit_log import AUDIT_FILE
from flame.federation.privacy.budget import BUDGET_FILE, Budget, epsilon
from flame.federation.privacy.probes import PROBES_FILE, RUNS_FILE, SELECTIONS_FILE
from flame.federation.privacy.site_policy import SitePolicy
from flame.federation.run_files import DRIFT, ERROR, PROGRESS, RUNS

_SHOWN = 40
"""Latest messages that the page shows."""
_STATE = re.compile(r"^(?P<who>[\w-]+) (?P<what>joined again|joined|is gone)$")
_ROUND = re.compile(r", round \d+: loss ")
_AMOUNT = re.compile(r"(?P<size>[\d.]+) kB\)")


@dataclass(frozen=True)
class Told:
    """A message of a server or a site.

    Args:
        at: when, as text.
        text: the message.
    """

    at: str
    text: str


def server_page(kit: Path, told: Sequence[Told], refresh_s: int) -> str:
    """Render the dashboard of a server.

    Args:
        kit: the server's kit.
        told: its messages, oldest first.
        refresh_s: seconds after which a browser loads the page again.

    Returns:
        The page as HTML.
    """
    sites = _sites(told)
    present = [name for name, (what, _) in sites.items() if what != "is gone"]
    verdict = f"Connected: {', '.join(sorted(present)) or 'no site'}."
    runs = sorted((kit / RUNS).glob("*/"), key=lambda p: p.stat().st_mtime, reverse=True)
    sections = [
        Section(
            "sites",
            "Sites",
            "Since this process has been running.",
            ["site", "state", "since"],
            [[name, what, at] for name, (what, at) in sorted(sites.items())],
        ),
        Section(
            "runs",
            "Runs",
            "Newest first. The page of a run has its rounds, the losses of every site with their "
            "mean, lost sites, and the time left.",
            ["run", "steps done", "latest round", "fault"],
            [_run(path) for path in runs],
            links={path.name: f"runs/{path.name}" for path in runs},
        ),
        _messages([t for t in told if not _ROUND.search(t.text)]),
    ]
    return _page("Server of a federation", kit, sections, verdict, refresh_s, None)


def site_page(
    kit: Path, told: Sequence[Told], policy: SitePolicy, data: str, refresh_s: int
) -> str:
    """Render the dashboard of a hospital's site, which is for the hospital alone.

    Args:
        kit: the site's kit.
        told: its messages, oldest first.
        policy: what may leave the site.
        data: what the site has as data, in words.
        refresh_s: seconds after which a browser loads the page again.

    Returns:
        The page as HTML.
    """
    log = kit / AUDIT_FILE
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    sizes = [float(found["size"]) for line in lines if (found := _AMOUNT.search(line))]
    size = f"; those with a size, 0.1 kB or more, have {sum(sizes):.1f} kB in all" if sizes else ""
    ledger = [
        ["jobs that were answered", _count(kit / RUNS_FILE), str(policy.runs)],
        ["choices of patients", _count(kit / SELECTIONS_FILE), str(policy.selections)],
        ["models validated", _count(kit / PROBES_FILE), str(policy.validations)],
        ["epsilon", _epsilon(kit, policy), f"{policy.epsilon:g}" if policy.epsilon else "no limit"],
    ]
    sections = [
        Section("data", "Data", data),
        Section(
            "ledger",
            "Privacy",
            f"No sum or update of fewer than {policy.least_patients} patients. Counted over all "
            "runs, against the limits of local/policy.toml.",
            ["what", "used", "at most"],
            ledger,
        ),
        Section(
            "sent",
            "What left",
            f"{len(lines)} entries of {AUDIT_FILE}{size}. Latest first.",
            ["when (UTC)", "what"],
            [line.split(" ", 1) for line in reversed(lines[-_SHOWN:])],
        ),
        *_drift(kit),
        _messages([t for t in told if not t.text.startswith("sent: ")]),
    ]
    state = next((t.text for t in reversed(told) if not t.text.startswith("sent: ")), "starting")
    return _page("Site of a federation", kit, sections, f"Latest: {state}.", refresh_s, policy)


def _drift(kit: Path) -> list[Section]:
    """Return what drifted in the newest stream of a site."""
    tables = sorted((kit / RUNS).glob(f"*/{DRIFT}"), key=lambda path: path.stat().st_mtime)
    if not tables:
        return []
    note = (
        f"In what arrived for the newest stream, {tables[-1].parent.name}, with or without "
        "outcomes. Patients are named on this page only."
    )
    return [drift_section(pd.read_csv(tables[-1]), pd.DataFrame(), note)]


def _page(
    title: str, kit: Path, sections: list[Section], verdict: str, refresh_s: int, config: object
) -> str:
    limits = ["This page is for this machine, and changes nothing."]
    return filled(
        title, f"kit {kit.name}", ("", None), [], sections, limits, config, verdict, refresh_s
    )


def _sites(told: Sequence[Told]) -> dict[str, tuple[str, str]]:
    """Return the latest state of each site, and since when."""
    found = ((_STATE.match(t.text), t.at) for t in told)
    return {m["who"]: (m["what"], at) for m, at in found if m}


def _messages(told: Sequence[Told]) -> Section:
    rows = [[t.at, t.text] for t in reversed(told[-_SHOWN:])]
    return Section("messages", "Messages", "Latest first.", ["when", "what"], rows)


def _run(path: Path) -> list[str]:
    known = (path / PROGRESS).exists()
    done, total = json.loads((path / PROGRESS).read_text()) if known else (0, 0)
    history = read_history(path)
    latest = ""
    if not history.empty:
        last = history.iloc[-1]
        rows = history[(history.training == last.training) & (history["round"] == last["round"])]
        latest = in_a_line(rows.to_dict("records"))
    error = json.loads((path / ERROR).read_text())["why"] if (path / ERROR).exists() else ""
    return [path.name, f"{done} of {total}" if total else "", latest, error]


def _count(path: Path) -> str:
    return str(len(json.loads(path.read_text()))) if path.exists() else "0"


def _epsilon(kit: Path, policy: SitePolicy) -> str:
    if not (kit / BUDGET_FILE).exists():
        return "0"
    spent = Budget(kit / BUDGET_FILE, math.inf, policy.delta).spent
    return f"{epsilon(list(spent.values()), policy.delta):.2f}"
