"""A certificate for a host, its key, and the authority that signed it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    certificate: Path
    key: Path
    authority: Path


def certificates(folder: Path, host: str) -> Certificates:
    folder.mkdir()
    found = Certificates(*(folder / f"{name}.pem" for name in ("certificate", "key", "authority")))
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    found.authority.write_bytes(_signed("root", root.public_key(), root, None))
    found.certificate.write_bytes(_signed(host, key.public_key(), root, host))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found.key.write_bytes(plain)
    return found


def _signed(
    name: str,
    public: ec.EllipticCurvePublicKey,
    root: ec.EllipticCurvePrivateKey,
    host: str | None,
) -> bytes:
    now = datetime.now(UTC)
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (name, "root")
    )
    builder = x509.CertificateBuilder(
        issuer, subject, public, x509.random_serial_number(), now, now + timedelta(days=1)
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=host is None, path_length=None), True)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
    return builder.sign(root, SHA256()).public_bytes(Encoding.PEM)
