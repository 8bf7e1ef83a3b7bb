"""Asking: the control socket of a running lab, and plain DNS questions to see whether a server answers.

The control protocol is one JSON object per line and direction: `{"do": "status"}` is answered with `{"ok": true, …}`,
anything that cannot be done with `{"ok": false, "error": "…"}`.
"""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.exception
import dns.message
import dns.rdatatype

from lab.internet import LabError

CONTROL_TIMEOUT_S = 60.0
"""Breaking a zone signs zones and may restart a server."""
PROBE_TIMEOUT_S = 0.5
PROBE_PAUSE_S = 0.05


def command(path: Path, do: str, **arguments: object) -> dict[str, Any]:
    """Have a running lab do something; returns its reply. Raises LabError with its reason, OSError if it is not there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(CONTROL_TIMEOUT_S)
        sock.connect(str(path))
        sock.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
        with sock.makefile("rb") as stream:
            line = stream.readline()
    if not line:
        raise LabError("the lab ended before it replied")
    reply: dict[str, Any] = json.loads(line)
    if not reply.pop("ok"):
        raise LabError(reply["error"])
    return reply


async def ask(address: str, port: int, name: str, rdtype: str, timeout_s: float) -> dns.message.Message:
    """One question with DO set, over UDP and, if truncated, TCP. Raises dnspython's exceptions, or OSError."""
    query = dns.message.make_query(name, dns.rdatatype.from_text(rdtype), want_dnssec=True)
    response, _ = await dns.asyncquery.udp_with_fallback(query, address, timeout=timeout_s, port=port)
    return response


async def wait_for_answer(address: str, port: int, name: str, rdtype: str, timeout_s: float) -> dns.message.Message | None:
    """Ask until something answers; None when nothing did in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await ask(address, port, name, rdtype, PROBE_TIMEOUT_S)
                except (OSError, dns.exception.DNSException):
                    await asyncio.sleep(PROBE_PAUSE_S)
    except TimeoutError:
        return None
