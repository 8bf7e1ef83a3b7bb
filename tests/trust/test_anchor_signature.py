"""The detached signature of root-anchors.xml: the real one of 2010, and ones made here with a CA of our own."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import require_corpora
from trust.anchor_signature import IANA, MAX_SIGNATURE, SignatureError, check_signature
from trust.policy import Policy, Sha1

OLD = Policy(Sha1.VALIDATE)
"""The file of 2010 is signed with SHA-1."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@functools.cache
def corpus() -> tuple[bytes, bytes, bytes]:
    names = ("root-anchors-2010.xml", "root-anchors-2010.p7s", "icannbundle.pem")
    content, signature, bundle = (require_corpora("anchors", name).read_bytes() for name in names)
    return content, signature, bundle


class TestFileOf2010:
    """Signed 2011-06-30; the signer's certificate is valid 2011-06-29 … 2014-06-28."""

    def test_holds(self) -> None:
        for when in ("2011-06-30T21:00", "2012-06-01T00:00", "2014-06-28T22:00"):
            assert IANA in check_signature(*corpus(), at(when), OLD)

    @pytest.mark.parametrize("when", ["2011-06-29T22:00", "2014-06-28T23:00", "2009-01-01T00:00", "2026-11-22T00:00"])
    def test_not_outside_the_certificate_s_validity(self, when: str) -> None:
        with pytest.raises(SignatureError, match="not valid at validation time"):
            check_signature(*corpus(), at(when), OLD)

    def test_not_under_the_default_policy(self) -> None:
        with pytest.raises(SignatureError, match=r"sha1 is not accepted.*trust\.sha1"):
            check_signature(*corpus(), at("2012-06-01T00:00"), Policy())

    @pytest.mark.parametrize("position", [0, 100, 200, 300, 400, 417])
    def test_not_over_a_modified_file(self, position: int) -> None:
        content, signature, bundle = corpus()
        altered = content[:position] + bytes((content[position] ^ 1,)) + content[position + 1 :]
        for other in (altered, content + b"\n", content.replace(b"\n", b"\r\n"), content[:-1], b""):
            with pytest.raises(SignatureError, match="digest differs"):
                check_signature(other, signature, bundle, at("2012-06-01T00:00"), OLD)

    def test_not_under_another_ca(self) -> None:
        content, signature, _ = corpus()
        with pytest.raises(SignatureError, match="certificate of"):
            check_signature(content, signature, Ca("Other").pem, at("2012-06-01T00:00"), OLD)

    def test_not_by_another_person(self) -> None:
        with pytest.raises(SignatureError, match="not by somebody@example"):
            check_signature(*corpus(), at("2012-06-01T00:00"), OLD, "somebody@example")

    def test_the_intermediate_alone_is_enough_when_it_is_all_there_is(self) -> None:
        content, signature, bundle = corpus()
        blocks = [b"-----BEGIN" + block for block in bundle.split(b"-----BEGIN")[1:]]
        assert len(blocks) == 4
        kept = 0
        for block in blocks:
            try:
                check_signature(content, signature, block, at("2012-06-01T00:00"), OLD)
            except SignatureError:
                continue
            kept += 1
        assert kept == 2, "the root CA, and the e-mail CA below it"

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 5000), st.integers(0, 7), st.booleans())
    def test_altered_signature_never_raises_anything_else(self, position: int, bit: int, cut: bool) -> None:
        content, signature, bundle = corpus()
        altered = bytearray(signature)
        altered[position] ^= 1 << bit
        try:
            check_signature(content, bytes(altered[:position] if cut else altered), bundle, at("2012-06-01T00:00"), OLD)
        except SignatureError:
            return
        # Certificates that are enclosed and not used may be altered; what is after them may not.
        assert not cut and position < 4480


# --- our own CA --------------------------------------------------------------------------------------------------------

NOW = at("2026-11-22T00:00")


class Ca:
    """A certification authority with a self-signed certificate, valid for a year around NOW."""

    def __init__(self, name: str = "CA", issuer: "Ca | None" = None, *, ca: bool = True) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate(name, None, self.key, issuer or self, name if issuer is None else None, ca=ca)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str,
    mail: str | None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    issuer: Ca,
    issuer_name: str | None = None,
    *,
    ca: bool = False,
    days: tuple[int, int] = (-180, 180),
    alternative: bool = True,
    usage: bool = True,
) -> x509.Certificate:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if mail and not alternative:
        subject.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, mail))
    by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]) if issuer_name else issuer.certificate.subject
    start = datetime.fromtimestamp(NOW, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start + timedelta(days=days[0]))
        .not_valid_after(start + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    builder = builder.add_extension(
        x509.KeyUsage(usage and not ca, False, not usage, False, False, ca, ca, False, False), critical=True
    )
    if mail and alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(mail)]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def signed(
    content: bytes,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    extra: Sequence[x509.Certificate] = (),
    digest: hashes.SHA256 | hashes.SHA384 | None = None,
    options: Sequence[pkcs7.PKCS7Options] = (),
) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, digest or hashes.SHA256())
    for other in extra:
        builder = builder.add_certificate(other)
    chosen = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, *options]
    return builder.sign(serialization.Encoding.DER, chosen)


CONTENT = b"<TrustAnchor/>\n"


@functools.cache
def authority() -> Ca:
    return Ca()


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("alternative", [True, False])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_signature_of_today(kind: str, alternative: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else rsa_key()
    certificate = _certificate("IANA", IANA, key, authority(), alternative=alternative)
    for digest in (hashes.SHA256(), hashes.SHA384()):
        made = signed(CONTENT, certificate, key, digest=digest)
        assert "CN=IANA" in check_signature(CONTENT, made, authority().pem, NOW, Policy())
        with pytest.raises(SignatureError):
            check_signature(CONTENT + b" ", made, authority().pem, NOW, Policy())


def test_pem_and_der_alike() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = signed(CONTENT, _certificate("IANA", IANA, key, authority()), key)
    bundle = authority().certificate.public_bytes(serialization.Encoding.DER)
    assert check_signature(CONTENT, made, bundle, NOW, Policy())


def test_without_signed_attributes() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("IANA", IANA, key, authority())
    made = signed(CONTENT, certificate, key, options=[pkcs7.PKCS7Options.NoAttributes])
    assert check_signature(CONTENT, made, authority().pem, NOW, Policy())
    with pytest.raises(SignatureError, match="does not verify"):
        check_signature(CONTENT + b" ", made, authority().pem, NOW, Policy())


def test_certificate_from_the_bundle() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("IANA", IANA, key, authority())
    made = signed(CONTENT, certificate, key, options=[pkcs7.PKCS7Options.NoCerts])
    with pytest.raises(SignatureError, match="neither in the signature nor in the CA bundle"):
        check_signature(CONTENT, made, authority().pem, NOW, Policy())
    bundle = authority().pem + certificate.public_bytes(serialization.Encoding.PEM)
    assert check_signature(CONTENT, made, bundle, NOW, Policy())


def test_intermediate_ca() -> None:
    below = Ca("Below", authority())
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("IANA", IANA, key, below)
    made = signed(CONTENT, certificate, key, [below.certificate])
    assert check_signature(CONTENT, made, authority().pem, NOW, Policy())
    with pytest.raises(SignatureError, match="certificate of CN=IANA"):
        check_signature(CONTENT, signed(CONTENT, certificate, key), authority().pem, NOW, Policy())


def test_somebody_whom_the_ca_certified_is_no_ca() -> None:
    """A person's own certificate, used to issue one for IANA."""
    person = Ca("Person", authority(), ca=False)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("IANA", IANA, key, person)
    made = signed(CONTENT, certificate, key, [person.certificate])
    with pytest.raises(SignatureError, match="certificate of CN=IANA"):
        check_signature(CONTENT, made, authority().pem, NOW, Policy())


def test_somebody_else_certified_by_the_same_ca() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = signed(CONTENT, _certificate("Person", "person@icann.example", key, authority()), key)
    with pytest.raises(SignatureError, match=r"signed by person@icann\.example, not by dnssec@iana\.org"):
        check_signature(CONTENT, made, authority().pem, NOW, Policy())
    assert check_signature(CONTENT, made, authority().pem, NOW, Policy(), "Person@icann.example")
    assert check_signature(CONTENT, made, authority().pem, NOW, Policy(), None)


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_certificate_not_valid_now(days: tuple[int, int]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = signed(CONTENT, _certificate("IANA", IANA, key, authority(), days=days), key)
    with pytest.raises(SignatureError, match="not valid at validation time"):
        check_signature(CONTENT, made, authority().pem, NOW, Policy())


def test_certificate_that_is_not_for_signing() -> None:
    key = rsa_key()
    made = signed(CONTENT, _certificate("IANA", IANA, key, authority(), usage=False), key)
    with pytest.raises(SignatureError, match="not for signing"):
        check_signature(CONTENT, made, authority().pem, NOW, Policy())


def test_content_inside_must_be_the_file_s() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("IANA", IANA, key, authority())
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, key, hashes.SHA256())
    made = builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    assert check_signature(CONTENT, made, authority().pem, NOW, Policy())
    with pytest.raises(SignatureError, match="another content"):
        check_signature(b"other", made, authority().pem, NOW, Policy())


@pytest.mark.parametrize(
    ("signature", "bundle", "match"),
    [
        (b"", b"", "no certificate"),
        (b"", None, "malformed"),
        (b"\x30\x03\x02\x01\x01", None, "malformed"),
        (b"x" * (MAX_SIGNATURE + 1), None, "more than"),
        (b"-----BEGIN CMS-----\nnonsense\n", None, "signature"),
    ],
    ids=["no bundle", "empty", "other DER", "too long", "broken PEM"],
)
def test_nonsense(signature: bytes, bundle: bytes | None, match: str) -> None:
    with pytest.raises(SignatureError, match=match):
        check_signature(CONTENT, signature, authority().pem if bundle is None else bundle, NOW, Policy())
