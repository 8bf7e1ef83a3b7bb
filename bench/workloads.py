"""The questions: what each workload asks before it is measured, and while.

Every host name `h000` serves to make a zone known; the universe of the other workloads starts at `h001`, so that a workload
knows what is new to the resolver. Zone 0 is for the question that awaits the resolver's start. All draws are seeded: each
resolver and each repetition gets the same questions in the same order.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.dnsperf import Load
from bench.layout import Scale
from bench.zones import hierarchy

HOT_NAMES = 1_000
HIT_RATIO = 0.90
PACED_RATE = 10_000
STORM_ZONES = 200
BOGUS_REPLAYS = 10
MANY_CLIENTS = 500
"""Sockets of the load generator where workers share the work: the system divides them by chance, and of few shares would
be far from equal."""
_SEED = 20260101


@dataclass(frozen=True)
class Workload:
    """What is asked of a freshly started resolver."""

    name: str
    title: str
    measured: Load
    fill: tuple[Load, ...] = ()
    """Before, not measured."""
    paced: Load | None = None
    """After, at a fixed rate: latency, and what a query costs when there is no queue."""
    rcode: str = "NOERROR"
    """The answer that is right for every question."""
    workers: int = 1
    facts: dict[str, float] = field(default_factory=dict)
    """What is known of the questions: hit ratio, entries, depth."""

    @property
    def family(self) -> str:
        """First part of the name."""
        return self.name.partition("-")[0]


class Questions:
    """Makes the workloads of a scale and their files of questions."""

    def __init__(self, scale: Scale, folder: Path) -> None:
        self._scale = scale
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._builders: dict[str, Callable[[], Workload]] = {
            "hot": self._hot,
            "hot-do": self._hot_do,
            "hot-tcp": self._hot_tcp,
            "zipf": self._zipf,
            "cold": self._cold,
            "cold-do": self._cold_do,
            "cold-unsigned": self._cold_unsigned,
            "warm": self._warm,
            "nxdomain": self._nxdomain,
            "bogus": self._bogus,
        }
        for size in scale.cache_sizes:
            self._builders[f"size-{size}"] = lambda size=size: self._size(size)  # type: ignore[misc]
        for depth in scale.depths:
            self._builders[f"depth-{depth}"] = lambda depth=depth: self._depth(depth)  # type: ignore[misc]
        for workers in (1, 2):
            self._builders[f"workers-hot-{workers}"] = lambda workers=workers: self._workers_hot(workers)  # type: ignore[misc]
            self._builders[f"workers-warm-{workers}"] = lambda workers=workers: self._workers_warm(workers)  # type: ignore[misc]

    def names(self) -> list[str]:
        """All workloads there are."""
        return list(self._builders)

    def make(self, name: str) -> Workload:
        """The workload, its files written."""
        return self._builders[name]()

    # -- cached answers ---------------------------------------------------------------------------------------------------

    def _hot(self) -> Workload:
        names = self._write("hot", universe(self._scale)[:HOT_NAMES])
        once = Load(names)
        return Workload(
            "hot",
            f"{HOT_NAMES} cached names",
            fill=(once, once),
            measured=Load(names, seconds=self._scale.hot_seconds),
            paced=Load(names, seconds=self._scale.paced_seconds, rate=PACED_RATE, each=True),
        )

    def _hot_do(self) -> Workload:
        return _variant(self._hot(), "hot-do", "the same, clients with DO", lambda load: replace(load, dnssec_ok=True))

    def _hot_tcp(self) -> Workload:
        return _variant(self._hot(), "hot-tcp", "the same over TCP", lambda load: replace(load, tcp=True, clients=10))

    def _zipf(self) -> Workload:
        scale = self._scale
        before, measured, ratio = zipf_stream(
            scale.zipf_universe, scale.zipf_exponent, scale.zipf_queries, HIT_RATIO, random.Random(_SEED)
        )
        names = universe(scale)[: scale.zipf_universe]
        return Workload(
            "zipf",
            f"Zipf ({scale.zipf_exponent}) over {scale.zipf_universe:,} names, {ratio:.0%} hits",
            fill=(Load(self._write("zipf-fill", (names[rank] for rank in before))),),
            measured=Load(self._write("zipf", (names[rank] for rank in measured)), each=True),
            facts={"hit_ratio": ratio, "names_before": len(before)},
        )

    def _size(self, size: int) -> Workload:
        names = universe(self._scale)[:size]
        fill = self._write(f"size-{size}-fill", names)
        random.Random(_SEED).shuffle(names)
        return Workload(
            f"size-{size}",
            f"{size:,} cached names, each as likely",
            fill=(Load(fill),),
            measured=Load(self._write(f"size-{size}", names), seconds=self._scale.hot_seconds),
            facts={"entries": size},
        )

    # -- new names --------------------------------------------------------------------------------------------------------

    def _cold(self) -> Workload:
        zones = (hierarchy.signed_zone(self._scale, number) for number in range(1, self._scale.zones))
        names = self._write("cold", _shuffled(zone.host(0) for zone in zones))
        return Workload("cold", "new signed zones", measured=Load(names, outstanding=20, each=True))

    def _cold_do(self) -> Workload:
        return _variant(self._cold(), "cold-do", "the same, clients with DO", lambda load: replace(load, dnssec_ok=True))

    def _cold_unsigned(self) -> Workload:
        zones = (hierarchy.unsigned_zone(number) for number in range(self._scale.unsigned_zones))
        names = self._write("cold-unsigned", (zone.host(0) for zone in zones))
        return Workload("cold-unsigned", "new unsigned zones", measured=Load(names, outstanding=20, each=True))

    def _warm(self) -> Workload:
        names = self._write("warm", _shuffled(_breadth_first(self._scale, 1, self._scale.warm_names)))
        return Workload(
            "warm",
            "new names in zones already seen",
            fill=(self._known_zones(1),),
            measured=Load(names, outstanding=20, each=True),
        )

    def _nxdomain(self) -> Workload:
        draw = random.Random(_SEED)
        zones = [hierarchy.signed_zone(self._scale, i) for i in range(1, min(STORM_ZONES, self._scale.zones))]
        names = (draw.choice(zones).below(f"x{draw.getrandbits(40):010x}") for _ in range(self._scale.storm_queries))
        return Workload(
            "nxdomain",
            f"random names in {len(zones)} signed zones",
            fill=(self._known_zones(1),),
            measured=Load(self._write("nxdomain", names), outstanding=20, each=True),
            rcode="NXDOMAIN",
        )

    def _bogus(self) -> Workload:
        zones = [hierarchy.bogus_zone(number) for number in range(self._scale.bogus_zones)]
        hosts = [zone.host(number) for zone in zones for number in range(hierarchy.BOGUS_HOSTS)]
        return Workload(
            "bogus",
            f"bogus zones, each name {BOGUS_REPLAYS} times",
            measured=Load(self._write("bogus", _shuffled(hosts * BOGUS_REPLAYS)), outstanding=20, each=True),
            rcode="SERVFAIL",
        )

    def _depth(self, depth: int) -> Workload:
        hosts = (hierarchy.chain(depth, i)[-1].host(0) for i in range(self._scale.chains_per_depth))
        return Workload(
            f"depth-{depth}",
            f"new names {depth} zone cuts below the root",
            measured=Load(self._write(f"depth-{depth}", hosts), outstanding=20, each=True),
            facts={"depth": depth},
        )

    # -- several workers --------------------------------------------------------------------------------------------------

    def _workers_hot(self, workers: int) -> Workload:
        outstanding = 100 * workers
        spread = _variant(self._hot(), "", "", lambda load: replace(load, clients=MANY_CLIENTS, outstanding=outstanding))
        fill = spread.fill * (1 if workers == 1 else 4)
        return replace(
            spread,
            name=f"workers-hot-{workers}",
            title=f"cached names, {workers} workers",
            fill=fill,
            paced=None,
            workers=workers,
            facts={"workers": workers},
        )

    def _workers_warm(self, workers: int) -> Workload:
        names = self._write("workers-warm", _shuffled(_breadth_first(self._scale, 4, self._scale.warm_names)))
        return Workload(
            f"workers-warm-{workers}",
            f"new names in zones already seen, {workers} workers",
            fill=(replace(self._known_zones(4), clients=MANY_CLIENTS),),
            measured=Load(names, outstanding=50 * workers, clients=MANY_CLIENTS),
            workers=workers,
            facts={"workers": workers},
        )

    # ---------------------------------------------------------------------------------------------------------------------

    def _known_zones(self, hosts: int) -> Load:
        zones = [hierarchy.signed_zone(self._scale, number) for number in range(1, self._scale.zones)]
        names = (zone.host(host) for host in range(hosts) for zone in zones)
        return Load(self._write(f"known-{hosts}", names), outstanding=20)

    def _write(self, name: str, questions: Iterable[str]) -> Path:
        path = self._folder / f"{name}.questions"
        with path.open("w") as out:
            out.writelines(f"{question} A\n" for question in questions)
        return path


def universe(scale: Scale) -> list[str]:
    """All host names of the signed zones except `h000`, in an order that says nothing about zones."""
    return _shuffled(_breadth_first(scale, 1, None))


def zipf_stream(
    universe_size: int, exponent: float, count: int, hit_ratio: float, draw: random.Random
) -> tuple[list[int], list[int], float]:
    """Ranks to ask before, each once; `count` ranks to measure; and the share of these that was asked before.

    Blocks of `count` are drawn until one has the wanted share of hits, counting names that the block itself repeats.
    """
    weights = list(itertools.accumulate(1 / rank**exponent for rank in range(1, universe_size + 1)))
    seen: dict[int, None] = {}
    while True:
        block = draw.choices(range(universe_size), cum_weights=weights, k=count)
        new = len(set(block).difference(seen))
        ratio = 1 - new / count
        if ratio >= hit_ratio or len(seen) == universe_size:
            return list(seen), block, ratio
        seen.update(dict.fromkeys(block))


def _breadth_first(scale: Scale, first_host: int, count: int | None) -> Iterable[str]:
    """Hosts from `first_host` on: first that of every zone, then the next of every zone."""
    zones = [hierarchy.signed_zone(scale, number) for number in range(1, scale.zones)]
    most = max(zone.hosts for zone in zones)
    names = (zone.host(host) for host in range(first_host, most) for zone in zones if host < zone.hosts)
    return itertools.islice(names, count)


def _shuffled(names: Iterable[str] | Sequence[str]) -> list[str]:
    listed = list(names)
    random.Random(_SEED).shuffle(listed)
    return listed


def _variant(workload: Workload, name: str, title: str, change: Callable[[Load], Load]) -> Workload:
    """The same questions, asked in another way."""
    return replace(
        workload,
        name=name,
        title=title,
        measured=change(workload.measured),
        fill=tuple(change(load) for load in workload.fill),
        paced=None if workload.paced is None else change(workload.paced),
    )
