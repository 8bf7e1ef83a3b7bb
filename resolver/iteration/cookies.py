"""What an answer says of cookies, and what that asks for (RFC 7873 §5.3, RFC 9018).

A server's cookie is learnt from its first answer and sent from then on (`resolver.cache.servers`). That an answer is for
our own client cookie, if it has one, is checked where it comes in (`resolver.server.matching`).
"""

from resolver.cache.servers import Server, Servers
from trust.vocabulary import Transport
from wire import types as t
from wire.edns import COOKIE
from wire.limits import CLIENT_COOKIE
from wire.message import Message


def weigh_cookie(
    servers: Servers,
    server: Server,
    cookie: bytes,
    message: Message,
    transport: Transport,
    mono: float,
    *,
    repeated: bool,
) -> tuple[bytes, Transport] | None:
    """What to do about the answer to a question with a cookie: None to go on with it, or how to ask again: with which
    cookie, over what. `repeated`: it was asked again already.
    """
    events = servers.events
    found = None if message.edns is None else message.edns.option(COOKIE)
    if found is not None and len(found) > CLIENT_COOKIE and found != server.cookie:
        events["cookie-learnt"] += not server.gives_cookies
        server.learn_cookie(found)
    rcode = message.rcode
    if rcode == t.BADCOOKIE and transport is Transport.UDP:
        # Ask once more with the cookie just learnt; a server that still does not like it is asked over TCP.
        events["cookie-bad"] += 1
        again = not repeated and found is not None and len(found) > CLIENT_COOKIE and found != cookie
        return server.cookie, Transport.UDP if again else Transport.TCP
    if found is not None:
        return None
    if rcode in (t.FORMERR, t.NOTIMP, t.BADVERS) and not server.gives_cookies:
        # It may be the option that it cannot bear: RFC 6891 §6.1.2 has it ignored, and not everybody does.
        events["cookie-refused"] += 1
        server.no_cookies(mono)
        return b"", transport
    if server.gives_cookies:
        if transport is Transport.UDP:
            # RFC 7873 §5.3 would have it dropped; over TCP it shows whether the server has stopped, or a forger spoke.
            events["cookie-missing"] += 1
            return cookie, Transport.TCP
        server.no_cookies(mono)
    return None
