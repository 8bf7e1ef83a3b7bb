"""Zone transfers of policy zones over TCP: AXFR and IXFR, with TSIG if there is a key.

Messages are dnspython's, for its TSIG over many of them; what the records mean is `resolver.policy.transfer`. Message by
message is read, so that whoever shares the event loop waits for one of them at most.

RFC 5936, RFC 1995, RFC 8945 §5.3.1 (TSIG over several messages).
"""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.xfr

from resolver.config.policy_values import Tsig
from resolver.config.values import Endpoint
from resolver.policy.transfer import Record, Transfer, TransferError
from wire.name import Name

CONNECT_S: Final = 5.0
SILENCE_S: Final = 15.0
"""Seconds without a message after which a transfer is given up."""
_WHOLE_S: Final = 600.0
"""Seconds that a transfer may take altogether."""
_NOT_OFFERED: Final = (dns.rcode.NOTIMP, dns.rcode.FORMERR, dns.rcode.REFUSED)


class TransferFailedError(Exception):
    """There is no zone to be had; the message says why, and of whom."""


class _NoIxfrError(Exception):
    """The primary does not do incremental transfers."""


async def transfer(zone: Name, primary: Endpoint, tsig: Tsig | None, soa: bytes | None) -> Transfer:
    """Ask a primary for what is newer than what we have (`soa`: its RDATA), or for the whole zone.

    Raises:
        TransferFailedError: no usable answer.
    """
    try:
        async with asyncio.timeout(_WHOLE_S):
            if soa is not None:
                try:
                    return await _transfer(zone, primary, tsig, soa)
                except (_NoIxfrError, TransferError):
                    pass  # RFC 1995 §4: the whole zone is always to be had
            return await _transfer(zone, primary, tsig, None)
    except TimeoutError:
        raise TransferFailedError(f"{primary}: no answer in time") from None
    except OSError as error:
        raise TransferFailedError(f"{primary}: {error.strerror or error}") from None
    except (EOFError, asyncio.IncompleteReadError):
        raise TransferFailedError(f"{primary}: the connection was closed before the end") from None
    except (dns.exception.DNSException, TransferError, ValueError) as error:
        raise TransferFailedError(f"{primary}: {error or type(error).__name__}") from None


async def _transfer(zone: Name, primary: Endpoint, tsig: Tsig | None, soa: bytes | None) -> Transfer:
    origin = dns.name.from_wire(zone, 0)[0]
    query = _query(origin, tsig, soa)
    have = None if soa is None else int.from_bytes(soa[-20:-16], "big")
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(primary.address, primary.port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        machine = Transfer(zone, have)
        context: Any = None
        message: dns.message.Message | None = None
        first = True
        while not machine.done:
            async with asyncio.timeout(SILENCE_S):
                size = int.from_bytes(await reader.readexactly(2), "big")
                octets = await reader.readexactly(size)
            message = dns.message.from_wire(
                octets,
                keyring=query.keyring,
                request_mac=query.mac,
                xfr=True,
                origin=None,
                tsig_ctx=context,
                multi=True,
                one_rr_per_rrset=True,
            )
            context = message.tsig_ctx
            _check(message, query, have)
            if first and tsig is not None and not message.had_tsig:
                raise TransferError("the answer is not signed with the key")
            first = False
            for record in _records(message):
                machine.feed(record)
            machine.over()
            await asyncio.sleep(0)
        # RFC 8945 §5.3.1: the last message is signed.
        if tsig is not None and message is not None and not message.had_tsig:
            raise TransferError("the end of the answer is not signed with the key")
        return machine
    finally:
        writer.close()


def _query(origin: dns.name.Name, tsig: Tsig | None, soa: bytes | None) -> dns.message.Message:
    query = dns.message.make_query(origin, dns.rdatatype.AXFR if soa is None else dns.rdatatype.IXFR)
    query.flags &= ~dns.flags.RD
    if soa is not None:
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.SOA, soa, 0, len(soa))
        query.authority.append(dns.rrset.from_rdata(origin, 0, rdata))
    if tsig is not None:
        name = dns.name.from_text(tsig.name)
        key = dns.tsig.Key(name, base64.b64decode(tsig.secret), tsig.algorithm)
        query.use_tsig({name: key}, name)
    return query


def _check(message: dns.message.Message, query: dns.message.Message, have: int | None) -> None:
    if message.id != query.id or not message.flags & dns.flags.QR:
        raise TransferError("an answer to something else")
    rcode = message.rcode()
    if rcode != dns.rcode.NOERROR:
        if have is not None and rcode in _NOT_OFFERED:
            raise _NoIxfrError
        raise TransferError(f"the primary says {dns.rcode.to_text(rcode)}")


def _records(message: dns.message.Message) -> Iterator[Record]:
    for rrset in message.answer:
        owner = rrset.name.to_digestable()
        for rdata in rrset:
            yield Record(owner, int(rrset.rdtype), rrset.ttl, rdata.to_digestable())
