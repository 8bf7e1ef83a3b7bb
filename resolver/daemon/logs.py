"""The log: structlog, to standard error, as lines for people or as JSON objects. The only file that imports structlog.

An event has a short name and its facts as keys. Names of events, for whoever greps:

    starting, no-ipv6, listening, ready, stopping, stopped, cannot-start
    state-directory-missing, state-directory-read-only, control-unavailable, metrics-unavailable
    worker-started, worker-exited, worker-silent, worker-stopping, worker-stuck, worker-hung,
    worker-not-replaced, no-process, supervisor-gone
    reloading, reloaded, reload-refused, log-level
    nta-propose, nta-add, nta-approve, nta-reject, nta-extend, nta-remove, nta-retire, nta-expire (each with audit_head)
    nta-round, nta-published, nta-not-trusted, nta-audit-broken, nta-not-written
    state-file-damaged, state-file-empty, state-unavailable, state-not-written
    trust-point, trust-anchor (a key's transition), trust-refreshed, trust-refresh-failed, trust-signalled,
    trust-anchor-mismatch, trust-point-without-anchor, trust-anchor-revoked, trust-anchor-unsupported,
    trust-key-ignored,
    trust-state-stale, trust-state-in-memory, clock-behind-state
    clock (its state changed), clock-stepped, clock-falseticker, probe (an outcome changed)
    servfail-anomaly, servfail-usual, baseline-lost, baseline-reset
    validation-failure, validation-failure-repeated (guideline 2-9), query (only with log.queries), internal-error
    forgery-suspected (once a zone)
"""

import contextlib
import logging
import sys
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Unfailing:
    """A stream that drops what it cannot write: whoever read the log may be gone, and clients are served all the same."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do not."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Flush, or do not."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class Form:
    """How this process logs: what `set_level` keeps."""

    form: Literal["text", "json"] = "text"
    stream: TextIO | None = None


def set_level(level: str) -> None:
    """Write lines of this level and above from now on, in the form that was configured."""
    configure(level, Form.form, Form.stream)


def configure(level: str, form: Literal["text", "json"], stream: TextIO | None = None) -> None:
    """Set up logging for this process."""
    Form.form, Form.stream = form, stream
    stream = stream or sys.stderr
    renderer: Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            pad_event_to=20,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if form == "json":
        processors += [structlog.processors.format_exc_info, _head_first]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, Unfailing(stream))),
        cache_logger_on_first_use=False,
    )


def _head_first(_logger: object, _method: str, event: EventDict) -> EventDict:
    """JSON objects in which time, level and event stand first: they are read by people too."""
    head = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return head | dict(event)


def logger(**facts: Any) -> FilteringBoundLogger:
    """A logger whose lines all carry these facts."""
    bound: FilteringBoundLogger = structlog.get_logger(**facts)
    return bound
