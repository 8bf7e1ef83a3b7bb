"""One resolution without a daemon: the production core and driver, an empty cache, one question.

What `akashi explain` runs when it is to look afresh; no listening socket is opened.
"""

import asyncio
import os
import random
from typing import Any

from resolver.config import Config
from resolver.daemon.worker import make_plan
from resolver.explain.report import report
from resolver.mesh import Mesh
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from trust.vocabulary import Now, Question


class _Waiter:
    """Puts the resolution where the event loop waits for it."""

    def __init__(self, future: "asyncio.Future[Resolution]") -> None:
        self._future = future

    def finish(self, resolution: Resolution, now: Now) -> None:
        if not self._future.done():
            self._future.set_result(resolution)

    def abandon(self) -> None:
        if not self._future.done():
            self._future.set_exception(RuntimeError("the resolver failed; this is a bug"))


def resolve_once(config: Config, question: Question, *, checking_disabled: bool = False) -> dict[str, Any]:
    """Resolve `question` with an empty cache and report it (see `resolver.explain.report`).

    Raises:
        StartError: a file that the configuration names makes no sense.
    """
    return asyncio.run(_resolve(config, question, checking_disabled))


async def _resolve(config: Config, question: Question, checking_disabled: bool) -> dict[str, Any]:
    plan = make_plan(config)
    mesh = Mesh(plan.settings, plan.points, plan.policy, random.Random(os.urandom(16)))
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Resolution] = loop.create_future()
    crashes: list[Exception] = []
    driver = Driver(
        mesh,
        loop,
        Counters(),
        payload=config.upstream.edns_buffer,
        crashed=lambda where, error: crashes.append(error),
        new_epoch=lambda: None,
    )
    try:
        driver.submit(_Waiter(future), question, checking_disabled=checking_disabled)
        resolution = await future
    except RuntimeError as error:
        raise (crashes[0] if crashes else error) from None
    finally:
        driver.close()
    return report(resolution, clock.now().wall)
