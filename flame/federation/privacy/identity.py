"""Signatures of the sites of a federation, by the certificates of their kits."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import Certificate, NameOID, load_pem_x509_certificate

from flame.core.errors import Refusal

_HASH = hashes.SHA256()
_PADDING = PSS(MGF1(_HASH), PSS.DIGEST_LENGTH)


class Identity:
    """What a site signs with, and the authority that it trusts.

    Args:
        key: private key of the site.
        certificate: its certificate, whose common name is that of the site.
        authority: certificate of the federation, which signed those of all sites.
    """

    def __init__(
        self, key: RSAPrivateKey, certificate: Certificate, authority: Certificate
    ) -> None:
        self._key = key
        self._authority = authority
        self.certificate = certificate.public_bytes(Encoding.PEM)

    @staticmethod
    def of_kit(kit: Path) -> "Identity":
        """Read the identity of a site from its kit.

        Args:
            kit: the kit of the site.

        Returns:
            Its identity.
        """
        startup = kit / "startup"
        key = load_pem_private_key((startup / "client.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        own, authority = (
            load_pem_x509_certificate((startup / name).read_bytes())
            for name in ("client.crt", "rootCA.pem")
        )
        return Identity(key, own, authority)

    def signed(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._key.sign(message, _PADDING, _HASH)

    def check(self, site: str, message: bytes, signature: bytes, certificate: bytes) -> None:
        """Check that a message is of a site.

        Args:
            site: name of the site.
            message: the message.
            signature: its signature.
            certificate: certificate of the signer, as PEM.

        Raises:
            Refusal: the certificate is not that of the site, not of this federation or not valid
                today, or the signature is not of this message.
        """
        try:
            signer = load_pem_x509_certificate(certificate)
            signer.verify_directly_issued_by(self._authority)
            names = signer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            key = signer.public_key()
            if not signer.not_valid_before_utc <= datetime.now(UTC) <= signer.not_valid_after_utc:
                raise Refusal(f"received a certificate of site {site} that is not valid today")
            if [name.value for name in names] != [site] or not isinstance(key, RSAPublicKey):
                raise InvalidSignature
            key.verify(signature, message, _PADDING, _HASH)
        except (InvalidSignature, ValueError, TypeError):
            raise Refusal(f"received a key that site {site} did not sign") from None
