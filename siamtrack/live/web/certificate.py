"""The certificate of a server that speaks https without anybody's help: browsers ask once whether to trust it."""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from siamtrack.errors import needs

DAYS = 30


def make_certificate(hosts: Iterable[str]) -> tuple[Path, str]:
    """A key and a certificate that is signed by itself, in one file that only this user can read; remove it after use.

    Args:
        hosts: names and addresses that it is for.

    Returns:
        The file, and the SHA-256 fingerprint that a browser shows when it asks.

    Raises:
        SiamtrackError: cryptography is missing.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError as error:
        raise needs("live", "a certificate for --https needs cryptography; give yours with --certificate, or get it") from error

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "siamtrack live")])
    names = [
        x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host) for host in dict.fromkeys(hosts)
    ]
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(120) + 1)
        .not_valid_before(now - datetime.timedelta(days=1))  # a phone's clock may be behind
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    handle, path = tempfile.mkstemp(suffix=".pem", prefix="siamtrack-")  # readable by this user alone
    with os.fdopen(handle, "wb") as file:
        file.write(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return Path(path), certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
