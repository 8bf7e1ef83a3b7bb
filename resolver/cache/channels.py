"""Where zones want to be told of their failures: the agent domain that a zone's servers name with their answers.

RFC 9567 §6.1 (Report-Channel option): OPTION-DATA is the agent domain as an uncompressed name; an empty one, or the root,
counts as none.
"""

from typing import Final

from resolver.cache.bounded import trim
from wire.limits import MAX_LABEL, MAX_NAME
from wire.name import Name

MAX_CHANNELS: Final = 10_000


def agent_domain(data: bytes) -> Name | None:
    """The agent domain in an option's data, lower-cased; None when there is none, or it is no name."""
    pos = 0
    while pos < len(data) and (length := data[pos]):
        if length > MAX_LABEL:
            return None
        pos += 1 + length
    if pos == 0 or pos != len(data) - 1 or len(data) > MAX_NAME:
        return None
    return data.lower()


class ReportChannels:
    """Agent domains by zone, bounded in number."""

    def __init__(self) -> None:
        self._agents: dict[Name, Name] = {}

    def __len__(self) -> int:
        return len(self._agents)

    def learn(self, zone: Name, data: bytes | None) -> None:
        """Note what an answer of one of the zone's servers said; `data`: of its Report-Channel option."""
        agent = None if data is None else agent_domain(data)
        if agent is None:
            self._agents.pop(zone, None)
        elif self._agents.get(zone) != agent:
            self._agents[zone] = agent
            trim(self._agents, MAX_CHANNELS)

    def get(self, zone: Name) -> Name | None:
        """Who wants to be told of failures in the zone."""
        return self._agents.get(zone)
