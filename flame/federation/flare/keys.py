"""Keys and certificates of kits: a hospital makes its key, the admin signs, and both are checked.

A private key never leaves the machine that made it. A hospital writes a signing request; the admin
answers with a kit without a key; the hospital puts both together.
"""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from flame.core.errors import BadInput

KEY, CERTIFICATE, SERVER_CERTIFICATE = "client.key", "client.crt", "server.crt"
"""Files in ``startup`` of a kit."""
NEXT = "next.key"
"""Key that waits for its certificate, in ``startup`` of a kit."""
WARN_DAYS = 30
"""Days before the end of a certificate from which on a warning is shown."""
_BITS = 2048


def request(kit: Path, name: str) -> Path:
    """Make a private key in a kit, and a request to sign it.

    Args:
        kit: new folder of the kit, or an old kit whose key is to be replaced.
        name: name of the site.

    Returns:
        The request, NAME.csr in the kit, which is no secret.

    Raises:
        BadInput: the kit is of another site.
    """
    certificate = kit / "startup" / CERTIFICATE
    if certificate.exists() and name_in(_read(certificate).subject) != name:
        raise BadInput(f"{kit} is the kit of {name_in(_read(certificate).subject)}, not of {name}")
    key = generate_private_key(65537, _BITS)
    (kit / "startup").mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    path = kit / "startup" / NEXT
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    )
    written = kit / f"{name}.csr"
    written.write_bytes(signed.public_bytes(Encoding.PEM))
    return written


def read_request(path: Path) -> x509.CertificateSigningRequest:
    """Read a signing request.

    Args:
        path: file of ``request``.

    Returns:
        The request.

    Raises:
        BadInput: the file is no request, or is not signed by its own key.
    """
    try:
        found = x509.load_pem_x509_csr(path.read_bytes())
    except (ValueError, OSError):
        raise BadInput(f"{path} is no signing request; make one with flame request") from None
    key = found.public_key()
    if not found.is_signature_valid or getattr(key, "key_size", 0) < _BITS:
        raise BadInput(f"{path}: its signature does not fit its key; make it anew")
    return found


def requested_name(path: Path) -> str:
    """Return the name of the site that a request is for; BadInput if it is none."""
    return name_in(read_request(path).subject)


def sign(kit: Path, asked: Path, root_key: bytes) -> None:
    """Replace the certificate of a kit by one for the key of a request, and delete the kit's key.

    Args:
        kit: kit of the site as it was provisioned.
        asked: the request.
        root_key: private key in PEM that signs certificates.
    """
    certificate = kit / "startup" / CERTIFICATE
    made, key = _read(certificate), read_request(asked).public_key()
    builder = x509.CertificateBuilder(
        issuer_name=made.issuer,
        subject_name=made.subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=made.not_valid_before_utc,
        not_valid_after=made.not_valid_after_utc,
    )
    for extension in made.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(key)
        builder = builder.add_extension(value, extension.critical)
    root = load_pem_private_key(root_key, None)
    assert isinstance(root, RSAPrivateKey)
    certificate.write_bytes(builder.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM))
    (kit / "startup" / KEY).unlink()


def accept(kit: Path, signed: Path) -> None:
    """Put a signed kit and the key that waits for it together; the hospital's own files stay.

    Args:
        kit: folder of ``request``.
        signed: the kit that the admin sent.

    Raises:
        BadInput: the certificate is not for the key that waits, or is not signed by the federation
            that the kit belonged to before.
    """
    waiting = kit / "startup" / NEXT
    if not waiting.exists():
        raise BadInput(f"{kit} has no key that waits for a certificate; run flame request first")
    try:
        certificate = _read(signed / "startup" / CERTIFICATE)
    except OSError:
        raise BadInput(f"{signed} is no signed kit: startup/{CERTIFICATE} is missing") from None
    key = load_pem_private_key(waiting.read_bytes(), None)
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise BadInput(f"the certificate in {signed} is for another key than that in {kit}")
    root = (signed / "startup" / "rootCA.pem").read_bytes()
    before = kit / "startup" / "rootCA.pem"
    if before.exists() and before.read_bytes() != root:
        raise BadInput(f"{signed} is of another federation than {kit}")
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(root))
    except (ValueError, TypeError, InvalidSignature):
        raise BadInput(f"the certificate in {signed} is not signed by its own root") from None
    shutil.copytree(signed / "startup", kit / "startup", dirs_exist_ok=True)
    if not (kit / "local").exists():
        shutil.copytree(signed / "local", kit / "local")
    waiting.replace(kit / "startup" / KEY)


def check_dates(kit: Path, now: datetime | None = None) -> str:
    """Check the dates of the certificate of a kit.

    Args:
        kit: the kit.
        now: time; None: the clock of this machine.

    Returns:
        A warning if the certificate ends soon, or an empty text.

    Raises:
        BadInput: the certificate has ended, or has not begun by the clock of this machine.
    """
    paths = [kit / "startup" / name for name in (CERTIFICATE, SERVER_CERTIFICATE)]
    certificate = next((_read(p) for p in paths if p.exists()), None)
    if certificate is None:
        return ""
    now = now or datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise BadInput(
            f"the certificate of {kit} ended on {end:%Y-%m-%d}: renew it (flame request, sign and "
            "accept for a site; for server and admin delete startup in the kit and flame provision)"
        )
    if now < begin:
        raise BadInput(
            f"the certificate of {kit} begins at {begin:%Y-%m-%d %H:%M} UTC, and the clock of this "
            f"machine says {now:%Y-%m-%d %H:%M} UTC: set the clock"
        )
    days = (end - now).days
    if end - now < timedelta(days=WARN_DAYS):
        return f"the certificate of this kit ends in {days} days, on {end:%Y-%m-%d}: renew it"
    return ""


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def name_in(subject: x509.Name) -> str:
    """Return the common name of the subject of a certificate."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _public(key: object) -> bytes:
    form = PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(Encoding.DER, form))  # type: ignore[attr-defined]
