"""The daemon: from a configuration to a process that answers.

The process that is started is the supervisor; clients are served by the workers that it forks, be it only one.

Rooms: `sockets` (bound before privileges are dropped), `privileges`, `build` (configuration → plain values), `hints`,
`supervisor` (processes), `manager` (the state of the whole daemon), `channel`, `trust.message` (between supervisor and
workers), `worker` (one process's parts), `desk` (its side of the channel), `trust.hub`, `stats`, `prober` (the supervisor's
own resolver), `control` and `routes` (the API of the commands), `logs`, `observer` (what is logged of queries), `notify`
(systemd).
"""

import os

from structlog.typing import FilteringBoundLogger

import resolver
from resolver.config import Config
from resolver.daemon import logs
from resolver.daemon.build import anchor_summary, worker_count
from resolver.daemon.conform.attach import attach_conformance
from resolver.daemon.errors import StartError
from resolver.daemon.local_root.service import attach_local_root
from resolver.daemon.manager import Manager, Source
from resolver.daemon.metrics.process import attach_process_metrics
from resolver.daemon.nta.service import attach_ntas
from resolver.daemon.policy.service import attach_policy
from resolver.daemon.privileges import become, raise_file_limit
from resolver.daemon.services import open_services
from resolver.daemon.sockets import open_sockets, without_ipv6
from resolver.daemon.state import open_state
from resolver.daemon.trust.service import attach_trust
from resolver.daemon.watch.service import attach_watch
from resolver.daemon.worker import make_plan, share_descriptors

__all__ = ["Source", "run"]


def run(config: Config, source: Source) -> int:
    """Run the resolver in the foreground until SIGTERM or SIGINT; returns the exit status (0 good, 1 cannot start).

    `source`: where the configuration came from, to be read again at reload.
    """
    logs.configure(config.log.level, config.log.format)
    log = logs.logger()
    try:
        status = _run(config, source, log)
    except StartError as error:
        facts = {"advice": error.advice} if error.advice else {}
        log.error("cannot-start", problem=error.problem, **facts)
        return 1
    log.info("stopped")
    return status


def _run(config: Config, source: Source, log: FilteringBoundLogger) -> int:
    count = worker_count(config)
    log.info("starting", version=resolver.__version__, pid=os.getpid(), workers=count)
    files = raise_file_limit()
    endpoints, left_out = without_ipv6(config.server.listen)
    if left_out:
        log.warning("no-ipv6", option="server.listen", left_out=[str(endpoint) for endpoint in left_out])
    sets, bound = open_sockets(endpoints, count)
    services, state = None, None
    try:
        services = open_services(config, log)
        if config.server.user is not None:
            become(config.server.user)
        plan = make_plan(config)
        clients, _, _ = share_descriptors(files, config.server.tcp_connections)
        if clients < config.server.tcp_connections:
            advice = "raise the limit of open files (LimitNOFILE=, ulimit -n)"
            log.warning("few-descriptors", limit=files, tcp_connections=clients, advice=advice)
        state = open_state(config, log)
        log.info("listening", addresses=[str(endpoint) for endpoint in bound], anchors=anchor_summary(plan.points))
        manager = Manager(source, plan, sets, bound, files, log)
        anchors = attach_trust(manager, state)
        attach_ntas(manager, state)
        watch = attach_watch(manager, state)
        attach_conformance(manager, anchors.book, watch)
        attach_process_metrics(manager, state, files)
        attach_policy(manager, state)
        attach_local_root(manager, state)
        services.attach(manager)
        return manager.run()
    finally:
        if services is not None:
            services.close()
        if state is not None:
            state.close()
        for sockets in sets:
            sockets.close()
