"""What people do to a zone of a running lab: roll its keys, change its DS, move it to other servers.

Theory of operation. Each operation takes the request as it came over the control socket, changes the `Internet`, and
returns the zones to serve anew and the report. It checks everything before it changes anything. What the operations on keys
mean and when they are refused stands in lab/lifecycle.py.
"""

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.name
from dns.name import Name

from lab.errors import LabError
from lab.internet import Internet
from lab.lifecycle import KeyRing, Role

Request = dict[str, Any]
Result = tuple[list[Name], dict[str, Any]]
"""Zones to serve anew, report."""


def zone_name(text: str) -> Name:
    """A zone's name as the operator typed it. Raises LabError."""
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException as error:
        raise LabError(f"{text!r} is not a domain name: {error}") from error


def run(internet: Internet, do: str, request: Request, now: float, signing_time: int) -> Result:
    """Carry out an operation. `now`: for waiting times; `signing_time`: for signatures; both seconds since 1970."""
    origin = zone_name(str(request.get("zone")))
    if do == "move":
        hosts = [str(host) for host in request.get("hosts", [])]
        return internet.move(origin, hosts, signing_time, signed=bool(request.get("signed"))), {}
    if do == "leave":
        internet.leave(origin)
        return [origin], {}
    ring = internet.ring(origin)
    if do == "keys":
        return [], report(ring, now)
    _ON_KEYS[do](ring, request, now)
    changed = [] if do == "generate" else internet.rebuild(origin, signing_time)
    return changed, report(ring, now)


def report(ring: KeyRing, now: float) -> dict[str, Any]:
    """The keys of a zone and where each stands."""
    keys = []
    for key in ring.keys.values():
        left = ring.settles_in(key, now)
        keys.append(
            {
                "key": key.label,
                "role": key.role.value,
                "tag": key.key.tag,
                "state": ring.state(key, now).value,
                "settles_in_s": None if left is None else round(max(left, 0.0), 1),
                "in_zone": key.in_zone.on,
                "signs": key.signs.on,
                "ds_at_parent": key.at_parent.on,
            }
        )
    return {
        "zone": ring.origin.to_text(),
        "dnskey_ttl": ring.ttl,
        "ds_ttl": ring.ds_ttl,
        "dnskey_validity_s": ring.validity_s,
        "keys": keys,
    }


def _generate(ring: KeyRing, request: Request, now: float) -> None:
    try:
        ring.generate(Role(request.get("key")))
    except ValueError:
        raise LabError(f"{request.get('key')!r} is neither ksk nor zsk") from None


def _set_ds(ring: KeyRing, request: Request, now: float) -> None:
    ring.set_ds([str(key) for key in request.get("keys", [])], now, force=bool(request.get("force")))


def _set_policy(ring: KeyRing, request: Request, now: float) -> None:
    ring.set_policy(now, ttl=request.get("ttl"), validity_s=request.get("validity_s"))


def _one(operation: Callable[..., None], *, forcible: bool) -> Callable[[KeyRing, Request, float], None]:
    def run_one(ring: KeyRing, request: Request, now: float) -> None:
        options = {"force": bool(request.get("force"))} if forcible else {}
        operation(ring, str(request.get("key")), now, **options)

    return run_one


_ON_KEYS: dict[str, Callable[[KeyRing, Request, float], None]] = {
    "generate": _generate,
    "publish": _one(KeyRing.publish, forcible=False),
    "activate": _one(KeyRing.activate, forcible=True),
    "revoke": _one(KeyRing.revoke, forcible=False),
    "remove": _one(KeyRing.remove, forcible=True),
    "ds": _set_ds,
    "policy": _set_policy,
}
NEED_EMBEDDED = ("move", "leave")
ALL = ("keys", *_ON_KEYS, *NEED_EMBEDDED)
