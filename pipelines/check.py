"""``flame check``: whether a kit, its way to the server and a hospital's data are in order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flame.core.errors import BadInput, FlameError, Refusal
from flame.federation.config import TrainConfig

if TYPE_CHECKING:
    from flame.federation.flare.findings import Finding
    from flame.streams.config import StreamConfig


def run(
    kit: Path, data: Path | None = None, config: "TrainConfig | StreamConfig | None" = None
) -> Iterator["Finding"]:
    """Check a kit from the machine on which it will run; nothing is started.

    Args:
        kit: start-up kit of a server, a site or an admin.
        data: data of the hospital, as for ``flame join``.
        config: configuration of a run or of a stream, with which policy and data are compared.

    Yields:
        The findings.

    Raises:
        BadInput: the folder is no kit.
    """
    from flame.federation.flare.connection import check_connection
    from flame.federation.flare.kit import SERVER, kind_of
    from flame.federation.flare.kit_checks import check_here

    yield from check_here(kit)
    if kind_of(kit) != SERVER:
        yield from check_connection(kit)
    if data is not None:
        yield from _data(kit, data, config)


def _data(
    kit: Path, data: Path, config: "TrainConfig | StreamConfig | None"
) -> Iterator["Finding"]:
    from flame.federation.flare.findings import fault, good
    from flame.pipelines.join import check_data

    try:
        check_data(kit, data)
    except BadInput as error:
        yield fault("data", str(error))
        return
    if config is None:
        yield good("data", f"{data} can be read; give --config to compare it with a run")
        return
    try:
        if isinstance(config, TrainConfig):
            yield _fits(kit, data, config)
        else:
            yield _fits_stream(kit, data, config)
    except (FlameError, Refusal) as error:
        yield fault("data", str(error))


def _fits(kit: Path, data: Path, config: TrainConfig) -> "Finding":
    """Read the data as the site would for a run, under its policy."""
    from flame.federation.flare.findings import fault, good
    from flame.federation.flare.kit import site_of
    from flame.federation.privacy.site_policy import POLICY_FILE, read_policy
    from flame.federation.tasks.cohorts import at_site, load_cohort
    from flame.federation.tasks.registry import open_task

    centre = site_of(kit)
    policy = read_policy(kit / "local" / POLICY_FILE)
    try:
        config = at_site(policy.applied(config), str(data.resolve()))
    except Refusal as refusal:
        return fault("policy", f"with this configuration, the site {refusal}")
    patients = open_task(config).patients(load_cohort(config, centre))
    found, least = len(set(patients.persons)), config.privacy.least_patients
    if found < least:
        return fault("data", f"{found} patients, of whom a sum needs {least}")
    return good("data", f"{found} patients, in {found // least} groups of {least} or more")


def _fits_stream(kit: Path, data: Path, config: "StreamConfig") -> "Finding":
    """Read the table as the site would for a stream, under its policy."""
    from flame.federation.flare.findings import fault, good
    from flame.federation.privacy.site_policy import POLICY_FILE, read_policy
    from flame.streams.nodes.leaving import Leaving
    from flame.streams.nodes.site_table import SiteTable

    policy = read_policy(kit / "local" / POLICY_FILE)
    leaving = Leaving(policy, lambda _: None)
    for name, method in config.all_methods.items():
        try:
            leaving.check(method)
        except Refusal as refusal:
            return fault("policy", f"with method '{name}', the site {refusal}")
    now = replace(config, sites=replace(config.sites, follow=False))
    table = SiteTable(now, data, leaving.least, policy.patient_column)
    rows = [int(table.batch(step).exists.sum()) for step in range(config.sites.steps)]
    filled = sum(count > 0 for count in rows)
    return good("data", f"{sum(rows)} rows, in {filled} of {len(rows)} steps")
