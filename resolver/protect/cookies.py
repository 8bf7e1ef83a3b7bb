"""DNS cookies, the server's side: a client that shows ours again has heard us at its address, so it is not forged.

A COOKIE option is a client cookie (8 octets), followed in later queries by the server cookie that we gave. Ours (RFC 9018
§4) is a version (1), three reserved octets, a timestamp (32 bits, seconds since 1970 in serial number arithmetic) and
SipHash-2-4, under our secret, of client cookie, version, reserved octets, timestamp and client address. Nothing is
remembered of a client. Servers that share the secret (an anycast set, of whatever make) accept one another's cookies.

Roll-over (RFC 9018 §5): the first secret makes cookies, every secret verifies. So a new one is first added behind the old,
on all servers; then put before it; and the old one removed an hour later.

Limitations: only version 1 is known; any other server cookie counts as wrong. Cookies that we show to servers are
elsewhere.

RFC 7873 §4, §5.2; RFC 9018 §4. SipHash: siphashc.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

from siphashc import siphash

SECRET_OCTETS: Final = 16
CLIENT_OCTETS: Final = 8
FULL_OCTETS: Final = 24
"""Client cookie and a server cookie of version 1."""

LIFETIME_S: Final = 3600
"""RFC 9018 §4.3: older cookies are not valid."""
RENEW_S: Final = 1800
"""RFC 9018 §4.3: older ones are answered with a new one."""
FUTURE_S: Final = 300
"""RFC 9018 §4.3: what clocks of an anycast set may differ by."""
_HALF: Final = 1 << 31
_VERSION: Final = 1
_HEAD: Final = bytes((_VERSION, 0, 0, 0))


class Standing(Enum):
    """What a query's COOKIE option says of its sender."""

    GOOD = "valid server cookie"
    NEW = "client cookie only"
    BAD = "server cookie that is not ours, not this client's or too old"


def is_lawful(option: bytes) -> bool:
    """Whether a COOKIE option has a length that it may have: 8 or 16 to 40 octets (RFC 7873 §4, §5.2.2)."""
    length = len(option)
    return length == CLIENT_OCTETS or 16 <= length <= 40


class Cookies:
    """Makes and verifies server cookies. `secrets`: of 16 octets each; the first makes, all verify."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or any(len(secret) != SECRET_OCTETS for secret in secrets):
            raise ValueError("a cookie secret has 16 octets")
        self._secrets = tuple(secrets)

    def judge(self, option: bytes, client: bytes, wall: float) -> tuple[Standing, bytes]:
        """What a lawful COOKIE option is worth, and the option's data for the response.

        Args:
            client: address, 4 or 16 octets; `wall`: seconds since 1970.
        """
        if len(option) == CLIENT_OCTETS:
            return Standing.NEW, self.make(option, client, wall)
        if len(option) == FULL_OCTETS and option[8] == _VERSION:
            # RFC 9018 §4.3, RFC 1982: the difference of 32-bit serial numbers, signed.
            age = (int(wall) - int.from_bytes(option[12:16], "big") + _HALF) % (1 << 32) - _HALF
            if -FUTURE_S <= age <= LIFETIME_S:
                covered = option[:16] + client
                hashed = option[16:]
                for place, secret in enumerate(self._secrets):
                    # RFC 9018 §4.2: reserved octets count as received. (The comparison may take as long as it likes:
                    # one packet tells nothing of another's hash, and guesses are 64 bits.)
                    if siphash(secret, covered).to_bytes(8, "little") == hashed:
                        if place == 0 and age <= RENEW_S:
                            return Standing.GOOD, option
                        return Standing.GOOD, self.make(option[:CLIENT_OCTETS], client, wall)
        return Standing.BAD, self.make(option[:CLIENT_OCTETS], client, wall)

    def make(self, client_cookie: bytes, client: bytes, wall: float) -> bytes:
        """The option's data for a response: the client's cookie and a fresh one of ours."""
        head = client_cookie + _HEAD + (int(wall) & 0xFFFFFFFF).to_bytes(4, "big")
        return head + siphash(self._secrets[0], head + client).to_bytes(8, "little")


def read_secrets(text: str) -> list[bytes]:
    """Secrets from a file's text: 32 hexadecimal digits a line, the one that makes cookies first; `#` begins a comment.

    Raises:
        ValueError: it is anything else; the message quotes nothing of it.
    """
    secrets: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        digits = line.partition("#")[0].strip()
        if not digits:
            continue
        try:
            secret = bytes.fromhex(digits)
        except ValueError:
            secret = b""
        if len(secret) != SECRET_OCTETS:
            raise ValueError(f"line {number} is not a secret of 32 hexadecimal digits")
        secrets.append(secret)
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise ValueError(f"it holds {len(secrets)} secrets, not 1 to {MOST_SECRETS}")
    return secrets


MOST_SECRETS: Final = 3
"""Secrets of a roll-over at most: each costs a hash for every wrong cookie."""
