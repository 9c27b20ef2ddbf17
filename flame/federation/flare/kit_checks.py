"""Checks of a kit on its own machine: certificate, key, versions, disk, memory and policy."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from flame.core.errors import BadInput
from flame.federation.flare.findings import Finding, fault, good, warning
from flame.federation.flare.keys import CERTIFICATE, KEY, SERVER_CERTIFICATE, check_dates, name_in
from flame.federation.flare.kit import SERVER, SITE, check_ports, kind_of, site_of
from flame.federation.flare.provisioning import MADE_WITH, versions
from flame.federation.privacy.site_policy import POLICY_FILE, read_policy

ROOT, SERVER_KEY = "rootCA.pem", "server.key"
LEAST_DISK_GB, LEAST_MEMORY_GB = 1.0, 1.0
"""Free space and available memory below which a site cannot train."""
_FEW = 3.0
"""Factor on both below which a warning is shown."""


def check_here(kit: Path) -> Iterator[Finding]:
    """Check a kit without the network.

    Args:
        kit: start-up kit of a server, a site or an admin.

    Yields:
        The findings.
    """
    kind = kind_of(kit)
    pair = (SERVER_CERTIFICATE, SERVER_KEY) if kind == SERVER else (CERTIFICATE, KEY)
    yield _certificate(kit, *pair)
    yield _dates(kit)
    yield from _made_with(kit)
    yield _disk(kit)
    yield _memory()
    if kind == SERVER:
        yield _ports(kit)
    if kind == SITE:
        yield _policy(kit)


def _certificate(kit: Path, certificate: str, key: str) -> Finding:
    what, startup = "certificate", kit / "startup"
    missing = [name for name in (certificate, key, ROOT) if not (startup / name).exists()]
    if missing:
        return fault(what, f"startup/{', startup/'.join(missing)} missing: copy the whole kit")
    try:
        shown = x509.load_pem_x509_certificate((startup / certificate).read_bytes())
        root = x509.load_pem_x509_certificate((startup / ROOT).read_bytes())
        private = load_pem_private_key((startup / key).read_bytes(), None)
    except (ValueError, TypeError):
        return fault(what, "a file in startup is damaged: copy the kit again, as binary files")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != shown.public_key().public_bytes(*form):
        return fault(what, f"startup/{key} is not the key of startup/{certificate}: copy the kit")
    try:
        shown.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return fault(what, "it is signed by another federation than startup/rootCA.pem names")
    name = name_in(shown.subject)
    described = site_of(kit) if kind_of(kit) == SITE else name
    if described != name:
        return fault(what, f"it is for {name}, and the kit is for {described}: copy the kit again")
    if (startup / key).stat().st_mode & 0o077:
        return warning(what, f"startup/{key} can be read by others: chmod 600")
    return good(what, f"for {name}, with its key")


def _dates(kit: Path) -> Finding:
    try:
        told = check_dates(kit)
    except BadInput as error:
        return fault("dates", str(error))
    except ValueError:
        return fault("dates", "the certificate is damaged")
    return warning("dates", told) if told else good("dates", "the certificate is valid today")


def _made_with(kit: Path) -> Iterator[Finding]:
    path = kit / MADE_WITH
    if not path.exists():
        yield warning("versions", "made by an older FLAME: have the kit and its local renewed")
        return
    made, here = json.loads(path.read_text()), versions()
    for name, used in made.items():
        if used != here[name]:
            yield warning("versions", f"{name} {here[name]} here, {used} where the kit was made")
    if made == here:
        yield good("versions", ", ".join(f"{name} {used}" for name, used in here.items()))


def _disk(kit: Path) -> Finding:
    if not os.access(kit, os.W_OK):
        return fault("disk", f"{kit} cannot be written by this user: chown or chmod it")
    return _enough("disk", shutil.disk_usage(kit).free / 1e9, LEAST_DISK_GB, "free some space")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 1e9
    return _enough("memory", free, LEAST_MEMORY_GB, "end other programs")


def _enough(what: str, found: float, least: float, remedy: str) -> Finding:
    words = f"{found:.1f} GB available"
    if found < least:
        return fault(what, f"{words}, {least:g} GB are needed: {remedy}")
    return warning(what, words) if found < _FEW * least else good(what, words)


def _ports(kit: Path) -> Finding:
    try:
        check_ports(kit)
    except BadInput as error:
        return fault("ports", str(error))
    return good("ports", "free")


def _policy(kit: Path) -> Finding:
    try:
        policy = read_policy(kit / "local" / POLICY_FILE)
    except BadInput as error:
        return fault("policy", str(error))
    return good("policy", f"no sum or update of fewer than {policy.least_patients} patients")
