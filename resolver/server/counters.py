"""Counts of what a worker did: plain integers, one object a worker, read by whoever publishes metrics.

Every count only grows. Responses are counted by what they say in a `Tally`, exchanges with servers by family, transport
and result.
"""

from resolver.server.tally import CLIENT_BOUNDS, UPSTREAM_BOUNDS, Histogram, Tally


class Counters:
    """One sentence each:

    Attributes:
        udp_queries, tcp_queries: queries read from clients, refused and malformed ones included.
        packet_hits: of these, answered from the packet cache; `instant_hits`: answered without asking any server, from
            other caches or local data.
        refused: queries of clients that are not served.
        malformed: packets that were no query, answered FORMERR or dropped.
        dropped: packets without an answer: not a query at all, or over the limit of unanswered queries.
        send_failures: responses the system would not send.
        tally: responses by what they say.
        client_seconds: from a query to its response, where it had to be resolved; `upstream_seconds`: of exchanges with an
            answer.
        policy_drops: queries that policy wants unanswered, by the rules met.
        tcp_accepted, tcp_rejected: client connections taken and turned away (caps).
        tcp_idle_closed, tcp_cut: client connections closed for idleness, and for not reading what they asked for.
        upstream_udp, upstream_tcp: queries sent to servers; upstream_tcp_opened: connections opened to them.
        upstream_answers: answers that matched.
        upstream_timeouts, upstream_unreachable, upstream_malformed: exchanges that ended so.
        upstream_mismatched: packets that came to an open port and were not the answer (RFC 5452).
        upstream_case: answers right in all but the question's case.
        internal_errors: exceptions that should not have been; each is logged.
    """

    __slots__ = (
        "_ended",
        "client_seconds",
        "dropped",
        "instant_hits",
        "internal_errors",
        "malformed",
        "packet_hits",
        "policy_drops",
        "refused",
        "send_failures",
        "tally",
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
        "upstream_seconds",
        "upstream_tcp",
        "upstream_tcp_opened",
        "upstream_timeouts",
        "upstream_udp",
        "upstream_unreachable",
    )

    def __init__(self) -> None:
        self.udp_queries = 0
        self.tcp_queries = 0
        self.packet_hits = 0
        self.instant_hits = 0
        self.refused = 0
        self.malformed = 0
        self.dropped = 0
        self.send_failures = 0
        self.tally = Tally()
        self.client_seconds = Histogram(CLIENT_BOUNDS)
        self.upstream_seconds = Histogram(UPSTREAM_BOUNDS)
        self._ended: dict[str, dict[str, int]] = {}
        self.policy_drops: dict[str, int] = {}
        self.tcp_accepted = 0
        self.tcp_rejected = 0
        self.tcp_idle_closed = 0
        self.tcp_cut = 0
        self.upstream_udp = 0
        self.upstream_tcp = 0
        self.upstream_tcp_opened = 0
        self.upstream_answers = 0
        self.upstream_timeouts = 0
        self.upstream_unreachable = 0
        self.upstream_malformed = 0
        self.upstream_mismatched = 0
        self.upstream_case = 0
        self.internal_errors = 0

    @property
    def responses(self) -> list[int]:
        """Responses by the low four bits of the RCODE."""
        return self.tally.by_rcode()

    def exchanged(self, label: str, result: str) -> None:
        """An exchange ended. `label`: "ipv4|udp" and so on."""
        counts = self._ended.get(label)
        if counts is None:
            counts = self._ended[label] = {}
        counts[result] = counts.get(result, 0) + 1

    @property
    def exchanges(self) -> dict[str, int]:
        """Ended exchanges by "family|transport|result"."""
        return {f"{label}|{result}": count for label, counts in self._ended.items() for result, count in counts.items()}

    def as_dict(self) -> dict[str, int]:
        """The plain counts."""
        # Not by __slots__, which a compiled class does not have.
        names = [name for name in dir(self) if not name.startswith("_")]
        return {name: value for name in names if isinstance(value := getattr(self, name), int)}

    def said(self) -> dict[str, int]:
        """By "transport|type|RCODE|verdict|reason|errors|NTA|policy"; numbers where possible, the NTA in hexadecimal."""
        return {
            "|".join(
                (
                    said.transport.value,
                    str(said.rtype),
                    str(said.rcode),
                    said.security,
                    said.reason,
                    ",".join(map(str, said.errors)),
                    said.nta.hex(),
                    said.policy,
                )
            ): count
            for said, count in self.tally.items()
        }
