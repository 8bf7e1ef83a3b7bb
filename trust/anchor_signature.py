"""The detached signature of root-anchors.xml: a CMS message that names its content's digest, under a given CA.

Theory: `check_signature` answers one question: did the holder of a certificate for `signer`, issued under one of the given
CAs and valid now, sign exactly these octets? CMS is taken apart by asn1crypto; signatures, digests and certification paths
are checked by `cryptography`, at the time given.

A CA certifies many people; without the signer's name any of them could sign trust anchors.

Limitations: no revocation of certificates (no CRL, no OCSP). Signatures by RSA (PKCS #1 v1.5) and ECDSA only.

RFC 9718 §3 and §4 (which file, whose CA), RFC 5652 §5 (signed data), RFC 5754 (algorithms), RFC 5280 §6 (paths).
"""

import hmac
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import cms, pem
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from cryptography.x509.verification import (
    Policy as PathPolicy,
)

from trust.policy import Policy, Sha1

IANA: Final = "dnssec@iana.org"
"""The address in the certificate of whoever signs root-anchors.xml."""
MAX_SIGNATURE: Final = 1 << 18
"""Octets of a detached signature, and of a CA bundle: the real ones have 5,001 and 17,699."""
MAX_SIGNERS: Final = 4
MAX_CERTIFICATES: Final = 32

_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class SignatureError(ValueError):
    """The signature does not hold; the message says why."""


def check_signature(
    content: bytes, signature: bytes, bundle: bytes, now_wall: float, policy: Policy, signer: str | None = IANA
) -> str:
    """Whose signature holds over `content`: the subject of the certificate.

    Args:
        signature: the detached CMS message, DER or PEM; `bundle`: certificates of the CA, PEM or one in DER.
        now_wall: the time at which the certificates must be valid, seconds since 1970.
        policy: SHA-1 counts only under `Sha1.VALIDATE`.
        signer: the mail address that the certificate must be for; None accepts whomever the CA certified.

    Raises:
        SignatureError: it does not hold.
    """
    if len(signature) > MAX_SIGNATURE or len(bundle) > MAX_SIGNATURE:
        raise SignatureError(f"signature or CA bundle of more than {MAX_SIGNATURE} octets")
    with warnings.catch_warnings():
        # Of certificates with flaws that nothing here depends on; there may be such in any bundle.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        authorities = list(_certificates(_ders(bundle, "CA bundle")))
        if not authorities:
            raise SignatureError("the CA bundle holds no certificate that can be read")
        try:
            return _check(content, signature, authorities, now_wall, policy, signer)
        except SignatureError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, UnsupportedAlgorithm) as error:
            # asn1crypto parses lazily: malformed parts show when they are touched.
            raise SignatureError(f"malformed CMS signature: {error}") from None


def _check(
    content: bytes,
    signature: bytes,
    authorities: list[x509.Certificate],
    now_wall: float,
    policy: Policy,
    signer: str | None,
) -> str:
    (der,) = _ders(signature, "signature")
    message = cms.ContentInfo.load(der, strict=True)
    if message["content_type"].native != "signed_data":
        raise SignatureError("the signature is no CMS signed data")
    signed = message["content"]
    inside = signed["encap_content_info"]["content"].native
    if inside is not None and inside != content:
        raise SignatureError("the signature carries another content than the file's")
    kind = signed["encap_content_info"]["content_type"].dotted
    enclosed = list(signed["certificates"] or ())[:MAX_CERTIFICATES]
    certificates = [*_certificates(item.chosen.dump() for item in enclosed), *authorities]
    problem = SignatureError("the signature names no signer")
    for info in list(signed["signer_infos"])[:MAX_SIGNERS]:
        try:
            certificate = _signer_certificate(info, certificates)
            _check_content(info, certificate, content, kind, policy)
            _check_person(certificate, signer)
            _check_path(certificate, certificates, authorities, now_wall)
        except SignatureError as error:
            problem = error
        else:
            return certificate.subject.rfc4514_string()
    raise problem


# --- the message -------------------------------------------------------------------------------------------------


def _signer_certificate(info: Any, certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate that a signer says is his (RFC 5652 §5.3)."""
    sid = info["sid"]
    for certificate in certificates:
        if sid.name == "issuer_and_serial_number":
            issuer = sid.chosen["issuer"].dump()
            if (
                certificate.serial_number == sid.chosen["serial_number"].native
                and certificate.issuer.public_bytes() == issuer
            ):
                return certificate
        else:
            try:
                known = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
            except x509.ExtensionNotFound:
                continue
            if known == sid.chosen.native:
                return certificate
    raise SignatureError("the signer's certificate is neither in the signature nor in the CA bundle")


def _check_content(info: Any, certificate: x509.Certificate, content: bytes, kind: str, policy: Policy) -> None:
    """RFC 5652 §5.4, §5.6: the content's digest is a signed attribute, and the signature is over the attributes."""
    algorithm = _digest(info["digest_algorithm"]["algorithm"].native, policy)
    attributes = info["signed_attrs"]
    if not attributes:
        if kind != "1.2.840.113549.1.7.1":  # id-data; §5.3: other contents must have signed attributes
            raise SignatureError("the signature has no signed attributes")
        _check_signature_value(info, certificate, content, algorithm)
        return
    values = {attribute["type"].native: attribute["values"] for attribute in attributes}
    for name in ("content_type", "message_digest"):
        # §11.1, §11.2: one attribute, one value; a second could contradict the first.
        if sum(attribute["type"].native == name for attribute in attributes) != 1 or len(values[name]) != 1:
            raise SignatureError(f"the signature has not exactly one {name} attribute")
    if values["content_type"][0].dotted != kind:
        raise SignatureError("the signed content type is another")
    digest = hashes.Hash(algorithm)
    digest.update(content)
    if not hmac.compare_digest(digest.finalize(), values["message_digest"][0].native):
        raise SignatureError("the file is not what was signed: its digest differs")
    # §5.4: signed is the SET OF, not the [0] that stands in the message.
    _check_signature_value(info, certificate, b"\x31" + attributes.dump()[1:], algorithm)


def _check_signature_value(info: Any, certificate: x509.Certificate, data: bytes, digest: hashes.HashAlgorithm) -> None:
    key, value = certificate.public_key(), info["signature"].native
    kind = info["signature_algorithm"].signature_algo
    try:
        if isinstance(key, rsa.RSAPublicKey) and kind == "rsassa_pkcs1v15":
            key.verify(value, data, PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
            key.verify(value, data, ec.ECDSA(digest))
        else:
            raise SignatureError(f"signature algorithm {kind} is not supported")
    except InvalidSignature:
        raise SignatureError("the signature does not verify under the signer's key") from None


def _digest(name: str, policy: Policy) -> hashes.HashAlgorithm:
    if name == "sha1" and policy.sha1 is Sha1.VALIDATE:
        return hashes.SHA1()  # noqa: S303 - the operator's choice; the file of 2010 has nothing better
    if name not in _DIGESTS:
        hint = ' (accepted under trust.sha1 = "validate")' if name == "sha1" else ""
        raise SignatureError(f"digest algorithm {name} is not accepted{hint}")
    return _DIGESTS[name]()


# --- the certificate ---------------------------------------------------------------------------------------------


def _check_person(certificate: x509.Certificate, signer: str | None) -> None:
    """The certificate is for the wanted mail address (RFC 5280 §4.2.1.6: in the alternative name, or in the subject)."""
    if signer is None:
        return
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)]
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += alternative.get_values_for_type(x509.RFC822Name)
    except x509.ExtensionNotFound:
        pass
    if signer.lower() not in (name.lower() for name in names):
        raise SignatureError(f"signed by {', '.join(names) or certificate.subject.rfc4514_string()}, not by {signer}")


def _check_path(
    certificate: x509.Certificate,
    others: Iterable[x509.Certificate],
    authorities: list[x509.Certificate],
    now_wall: float,
) -> None:
    """RFC 5280 §6: a path of certificates, each valid now, from one of the authorities."""
    # Only what is self-signed is a trust anchor, so that an issuer below it must be valid, too. A bundle without such a
    # certificate is taken at its word.
    roots = [authority for authority in authorities if authority.subject == authority.issuer] or authorities
    ee = ExtensionPolicy.permit_all().may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    ca = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_certify)
    )
    builder = PolicyBuilder().store(Store(roots)).time(datetime.fromtimestamp(now_wall, UTC).replace(tzinfo=None))
    verifier = builder.extension_policies(ca_policy=ca, ee_policy=ee).build_client_verifier()
    try:
        verifier.verify(certificate, [other for other in others if other != certificate])
    except VerificationError as error:
        raise SignatureError(f"certificate of {certificate.subject.rfc4514_string()}: {error}") from None


def _may_sign(_policy: PathPolicy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.digital_signature and not usage.content_commitment:
        raise ValueError("not for signing")


def _may_certify(_policy: PathPolicy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("not for signing certificates")


def _is_authority(_policy: PathPolicy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a CA")


# --- encodings ---------------------------------------------------------------------------------------------------


def _ders(data: bytes, what: str) -> list[bytes]:
    """The DER objects in PEM text, or the one that the data is."""
    if not pem.detect(data):
        return [data]
    try:
        return [der for _, _, der in pem.unarmor(data, multiple=True)][:MAX_CERTIFICATES]
    except ValueError as error:
        raise SignatureError(f"{what}: {error}") from None


def _certificates(ders: Iterable[bytes]) -> Iterator[x509.Certificate]:
    """Those that can be read: CA bundles have others, too (a mail address in a PrintableString, for one)."""
    for der in ders:
        try:
            certificate = x509.load_der_x509_certificate(der)
            _ = certificate.subject, certificate.issuer, certificate.extensions
        except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            continue
        yield certificate
