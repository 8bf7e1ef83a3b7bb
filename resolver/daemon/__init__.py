"""The daemon: from a configuration to a process that answers.

Rooms: `sockets` (bound before privileges are dropped), `privileges`, `build` (configuration → plain values), `hints`,
`worker` (one process's parts), `supervisor` (several), `logs`, `observer` (what is logged of queries), `notify` (systemd).
"""

import os
from collections.abc import Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

import resolver
from resolver.config import Config
from resolver.daemon import logs
from resolver.daemon.build import anchor_summary, worker_count
from resolver.daemon.errors import StartError
from resolver.daemon.notify import notify
from resolver.daemon.privileges import become, raise_file_limit
from resolver.daemon.sockets import WorkerSockets, open_sockets, without_ipv6
from resolver.daemon.supervisor import Supervisor
from resolver.daemon.worker import Plan, make_plan, serve

__all__ = ["run"]


def run(config: Config) -> int:
    """Run the resolver in the foreground until SIGTERM or SIGINT; returns the exit status (0 good, 1 cannot start)."""
    logs.configure(config.log.level, config.log.format)
    log = logs.logger()
    try:
        status = _run(config, log)
    except StartError as error:
        facts = {"advice": error.advice} if error.advice else {}
        log.error("cannot-start", problem=error.problem, **facts)
        return 1
    log.info("stopped")
    return status


def _run(config: Config, log: FilteringBoundLogger) -> int:
    count = worker_count(config)
    log.info("starting", version=resolver.__version__, pid=os.getpid(), workers=count)
    files = raise_file_limit()
    endpoints, left_out = without_ipv6(config.server.listen)
    if left_out:
        log.warning("no-ipv6", option="server.listen", left_out=[str(endpoint) for endpoint in left_out])
    sets, bound = open_sockets(endpoints, count)
    try:
        if config.server.user is not None:
            become(config.server.user)
        plan = make_plan(config)
        check_state_directory(config, log)
        log.info("listening", addresses=[str(endpoint) for endpoint in bound], anchors=anchor_summary(plan.points))
        return _serve(plan, sets, files, log)
    finally:
        for sockets in sets:
            sockets.close()


def _serve(plan: Plan, sets: list[WorkerSockets], files: int, log: FilteringBoundLogger) -> int:
    """Serve with one worker for each set of sockets; one alone runs in this process."""

    def ready() -> None:
        log.info("ready")
        notify("READY=1")

    if len(sets) == 1:
        return serve(plan, sets[0], files, log, ready)

    def body(index: int, ready: Callable[[], None]) -> int:
        for other, sockets in enumerate(sets):
            if other != index:
                sockets.close()
        return serve(plan, sets[index], files, logs.logger(worker=index), ready)

    return Supervisor(len(sets), body, log, ready).run()


def check_state_directory(config: Config, log: FilteringBoundLogger) -> None:
    """Tell when what must survive a restart could not be written.

    Nothing is written there yet, so it is no reason not to start.
    """
    directory: Path = config.trust.state_dir
    if not directory.is_dir():
        log.warning("state-directory-missing", directory=str(directory), option="trust.state-dir")
    elif not os.access(directory, os.W_OK | os.X_OK):
        log.warning("state-directory-read-only", directory=str(directory), option="trust.state-dir")
