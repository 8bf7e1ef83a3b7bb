"""Counts of what a worker did: plain integers, one object a worker, read by whoever publishes metrics.

Every count only grows. Per-response counts are by the low four bits of the RCODE, which is all that a cached packet shows.
"""

from typing import Final

_RCODES: Final = 16


class Counters:
    """One sentence each:

    Attributes:
        udp_queries, tcp_queries: queries read from clients, refused and malformed ones included.
        packet_hits: of these, answered from the packet cache.
        refused: queries of clients that are not served.
        malformed: packets that were no query, answered FORMERR or dropped.
        dropped: packets without an answer: not a query at all, or over the limit of unanswered queries.
        send_failures: responses the system would not send.
        responses: responses by RCODE (index).
        tcp_accepted, tcp_rejected: client connections taken and turned away (caps).
        tcp_idle_closed, tcp_cut: client connections closed for idleness, and for not reading what they asked for.
        upstream_udp, upstream_tcp: queries sent to servers.
        upstream_answers: answers that matched.
        upstream_timeouts, upstream_unreachable, upstream_malformed: exchanges that ended so.
        upstream_mismatched: packets that came to an open port and were not the answer (RFC 5452).
        upstream_case: answers right in all but the question's case.
        internal_errors: exceptions that should not have been; each is logged.
    """

    __slots__ = (
        "dropped",
        "internal_errors",
        "malformed",
        "packet_hits",
        "refused",
        "responses",
        "send_failures",
        "tcp_accepted",
        "tcp_cut",
        "tcp_idle_closed",
        "tcp_queries",
        "tcp_rejected",
        "udp_queries",
        "upstream_answers",
        "upstream_case",
        "upstream_malformed",
        "upstream_mismatched",
        "upstream_tcp",
        "upstream_timeouts",
        "upstream_udp",
        "upstream_unreachable",
    )

    def __init__(self) -> None:
        self.udp_queries = 0
        self.tcp_queries = 0
        self.packet_hits = 0
        self.refused = 0
        self.malformed = 0
        self.dropped = 0
        self.send_failures = 0
        self.responses = [0] * _RCODES
        self.tcp_accepted = 0
        self.tcp_rejected = 0
        self.tcp_idle_closed = 0
        self.tcp_cut = 0
        self.upstream_udp = 0
        self.upstream_tcp = 0
        self.upstream_answers = 0
        self.upstream_timeouts = 0
        self.upstream_unreachable = 0
        self.upstream_malformed = 0
        self.upstream_mismatched = 0
        self.upstream_case = 0
        self.internal_errors = 0

    def as_dict(self) -> dict[str, int]:
        """All counts; those of responses as `responses_<rcode>` where there are any."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "responses"}
        counts |= {f"responses_{rcode}": count for rcode, count in enumerate(self.responses) if count}
        return counts
