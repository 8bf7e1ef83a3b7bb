"""A worker's side of response policy: takes tables from the supervisor in slices, and puts them in force all at once.

| request | does |
| --- | --- |
| policy-status | the generation in force, and of each zone which version of its table is here |
| policy-slice | takes some rules of a version that is coming |
| policy-delta | changes a table that is here from one version to the next |
| policy | puts the versions named in force |

What is coming is kept apart until it is put in force, so that no query ever meets half a zone. A delta is small and applied
in one go, and followed by `policy` at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from resolver.config import Config
from resolver.daemon.channel import ChannelError
from resolver.daemon.policy.build import make_policy
from resolver.policy.rules import ResponsePolicy
from resolver.policy.table import Soa, ZoneTable

Document: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Tables:
    """The tables of all zones at one time: by the zone's label its version and its rules."""

    generation: int = 0
    zones: dict[str, tuple[int, ZoneTable]] = field(default_factory=dict)


class PolicyDesk:
    """What a worker has of policy. `publish`: puts a policy in force, or none."""

    def __init__(self, config: Config, tables: Tables, publish: Callable[[ResponsePolicy | None], None]) -> None:
        self._config = config
        self._tables = Tables(tables.generation, dict(tables.zones))
        self._coming: dict[tuple[str, int], ZoneTable] = {}
        self._publish = publish
        self._put_in_force()

    @property
    def tasks(self) -> Mapping[str, Callable[[Document], Document]]:
        """The requests that it carries out."""
        return {
            "policy-status": self._status,
            "policy-slice": self._slice,
            "policy-delta": self._delta,
            "policy": self._policy,
        }

    def _status(self, arguments: Document) -> Document:
        return {
            "generation": self._tables.generation,
            "zones": {label: version for label, (version, _) in self._tables.zones.items()},
        }

    def _slice(self, arguments: Document) -> Document:
        key = arguments["zone"], arguments["version"]
        if arguments["first"]:
            # Of an attempt before, that was not finished, nothing is wanted any more.
            self._coming = {other: table for other, table in self._coming.items() if other[0] != key[0]}
            self._coming[key] = ZoneTable()
        table = self._coming.get(key)
        if table is None:
            raise ChannelError("a slice without those before it")
        table.take(arguments["rules"])
        _describe(table, arguments)
        return {}

    def _delta(self, arguments: Document) -> Document:
        label = arguments["zone"]
        version, table = self._tables.zones.get(label, (None, None))
        if table is None or version != arguments["base"]:
            raise ChannelError("a difference to something else")
        table.take(arguments["rules"])
        _describe(table, arguments)
        self._tables.zones[label] = (arguments["version"], table)
        return {}

    def _policy(self, arguments: Document) -> Document:
        zones: dict[str, tuple[int, ZoneTable]] = {}
        for label, version in arguments["zones"].items():
            known = self._tables.zones.get(label)
            table = known[1] if known is not None and known[0] == version else self._coming.get((label, version))
            if table is None:
                raise ChannelError(f"version {version} of {label} is not here")
            zones[label] = (version, table)
        self._tables = Tables(arguments["generation"], zones)
        self._coming.clear()
        self._put_in_force()
        return {"generation": self._tables.generation}

    def _put_in_force(self) -> None:
        tables = {label: table for label, (_, table) in self._tables.zones.items()}
        self._publish(make_policy(self._config, self._tables.generation, tables))


def _describe(table: ZoneTable, arguments: Document) -> None:
    if arguments["soa"] is not None:
        table.soa = Soa.of(bytes.fromhex(arguments["soa"]), arguments["ttl"])
    table.ignored = arguments["ignored"]
