"""The supervisor's own resolver: the production core and driver without listeners, for questions of the administration.

Who asks: `explain`, the refresh of trust anchors (RFC 5011), probes of zones under an NTA, probes of names that must or
must not validate. Its memory is kept between questions, apart from the workers' and small; a question can be asked afresh
(with an empty memory), with NTAs left out, or of one given server of a zone only. Nothing is set up until the first
question.

Limitations: `server` takes the place of the zone's delegation; servers of zones below it are found as usual.
"""

import asyncio
from typing import Any, Final

from resolver.daemon.asking import Crashed, alone, make_driver, resolve
from resolver.daemon.worker import Plan
from resolver.explain.evidence import Daemon
from resolver.policy.rules import ResponsePolicy
from resolver.resolution import Resolution
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.settings import Settings
from trust.anchors import TrustPoints
from trust.vocabulary import Address, Ask, Question, Reply
from wire.name import Name

MEMORY: Final = 8 << 20
"""Octets of its answer cache."""
MAX_ASKED: Final = 64
"""Questions at once; the others wait."""


class Prober:
    """Resolves for the supervisor. Made and used within its event loop."""

    def __init__(self, plan: Plan, points: TrustPoints, crashed: Crashed) -> None:
        self.counters = Counters()
        self._plan = plan
        self._points = points
        self._crashed = crashed
        self._clock = "", False
        self._driver: Driver | None = None
        self._leaving: list[Driver] = []
        self._turn = asyncio.Semaphore(MAX_ASKED)

    async def resolve(
        self,
        question: Question,
        *,
        fresh: bool = False,
        ignore_ntas: bool = False,
        checking_disabled: bool = False,
        server: tuple[Name, Address] | None = None,
    ) -> Resolution:
        """The answer to a question, as a client would get it.

        Args:
            fresh: with an empty memory, so that every link is looked at anew.
            ignore_ntas: validate also where an NTA is in force; implies `fresh`.
            server: a zone, and the only one of its servers that is to be asked; implies `fresh`.

        Raises:
            ProberError: a bug.
        """
        async with self._turn:
            if not (fresh or ignore_ntas or server is not None):
                return await resolve(self._kept(), question, checking_disabled=checking_disabled)
            points = self._points.with_ntas(()) if ignore_ntas else self._points
            settings = self._settings()
            if server is not None:
                zone, address = server
                settings = alone(settings, zone, address)
            driver = self._make_driver(points, settings)
            try:
                return await resolve(driver, question, checking_disabled=checking_disabled)
            finally:
                driver.close()

    async def explain(
        self,
        question: Question,
        *,
        fresh: bool = False,
        ignore_ntas: bool = False,
        server: Address | None = None,
        daemon: Daemon | None = None,
        policy: ResponsePolicy | None = None,
        language: str = "en",
    ) -> dict[str, Any]:
        """The answer with its proof and what stands beside it: see `resolver.daemon.once.explain`."""
        from resolver.daemon.once import explain

        async with self._turn:
            unchecked = self._make_driver(self._points, self._settings())
            own = fresh or ignore_ntas or server is not None
            checked = unchecked
            try:
                if own:
                    points = self._points.with_ntas(()) if ignore_ntas else self._points
                    checked = self._make_driver(points, self._settings())
                else:
                    checked = self._kept()
                return await explain(
                    checked, unchecked, question, only=server, daemon=daemon, policy=policy, language=language
                )
            finally:
                unchecked.close()
                if own:
                    checked.close()

    async def exchange(self, ask: Ask) -> Reply:
        """One packet to one server, apart from every resolution."""
        async with self._turn:
            future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._kept().ask(ask, lambda reply: None if future.done() else future.set_result(reply))
            return await future

    def set_trust(self, points: TrustPoints) -> None:
        """Go by other anchors and NTAs from now on."""
        self._points = points
        if self._driver is not None:
            self._driver.set_trust(points)

    def set_clock(self, note: str, *, verified: bool) -> None:
        """What is known of our clock: see `Memory.set_clock`."""
        self._clock = note, verified
        if self._driver is not None:
            self._driver.set_clock(note, verified=verified)

    def configure(self, plan: Plan, points: TrustPoints) -> None:
        """Go by another configuration from now on; questions in hand are answered by the old one."""
        self._plan, self._points = plan, points
        self._retire()

    def close(self) -> None:
        """Close its sockets; who still waits is not answered."""
        for driver in (*self._leaving, self._driver):
            if driver is not None:
                driver.close()
        self._leaving.clear()
        self._driver = None

    def _retire(self) -> None:
        """Let the kept driver go when nothing can be in flight any more."""
        driver, self._driver = self._driver, None
        if driver is not None:
            self._leaving.append(driver)
            asyncio.get_running_loop().call_later(_LINGER_S, self._leave, driver)

    def _leave(self, driver: Driver) -> None:
        if driver in self._leaving:
            self._leaving.remove(driver)
            driver.close()

    def _kept(self) -> Driver:
        """The driver whose memory lasts."""
        if self._driver is None:
            self._driver = self._make_driver(self._points, self._settings())
        return self._driver

    def _settings(self) -> Settings:
        return self._plan.settings.apart(MEMORY)

    def _make_driver(self, points: TrustPoints, settings: Settings) -> Driver:
        return make_driver(self._plan, settings, points, self.counters, self._crashed)


_LINGER_S: Final = 12.0
"""Seconds after which whatever was in flight has met its own deadline."""
