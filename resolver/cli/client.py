"""Asking the running daemon: HTTP and JSON over its control socket (docs/CONTROL.md), and what goes wrong with that.

The socket is the one given with `--socket`, else the `control.socket` of the configuration.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from resolver.cli.common import load_or_exit
from resolver.cli.status import DaemonUnreachable, Status

Document = dict[str, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., object])

TIMEOUT_S = 10.0
"""Seconds for an answer that needs no waiting."""
PATIENCE_S = 60.0
"""Seconds for one that does: a reload, an explanation."""


def daemon_options(command: Decorated) -> Decorated:
    """Add `-c FILE` (parameter `file`) and `--socket PATH` (parameter `path`) to a command."""
    command = click.option(
        "--socket", "path", type=click.Path(path_type=Path), help="Control socket, instead of the configuration's."
    )(command)
    return click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path),
        help="Configuration that names the control socket (default: /etc/akashi/akashi.toml, if there is one).",
    )(command)


class RefusedError(click.ClickException):
    """The daemon understood and said no: the error object of its answer is `error`."""

    exit_code = Status.FINDING

    def __init__(self, error: Document) -> None:
        self.error = error
        super().__init__(str(error.get("message", "the daemon refused")))

    def format_message(self) -> str:
        """The message, then each reason on a line of its own."""
        reasons = [str(reason.get("problem", reason)) for reason in self.error.get("reasons", [])]
        return "\n".join([self.message, *(f"  {reason}" for reason in reasons)])


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """As `http.client.HTTPConnection`."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Asks one daemon."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, route: str, timeout_s: float = TIMEOUT_S, **parameters: str | bool | None) -> Document:
        """The answer to a question; parameters that are None are left out."""
        given = {key: _text(value) for key, value in parameters.items() if value is not None}
        return self._ask("GET", f"{route}?{urlencode(given)}" if given else route, None, timeout_s)

    def post(self, route: str, timeout_s: float = TIMEOUT_S, **fields: Any) -> Document:
        """The outcome of an order; fields that are None are left out."""
        return self._ask("POST", route, fields, timeout_s)

    def put(self, route: str, timeout_s: float = TIMEOUT_S, **fields: Any) -> Document:
        """The outcome of a setting."""
        return self._ask("PUT", route, fields, timeout_s)

    def _ask(self, method: str, route: str, fields: Document | None, timeout_s: float) -> Document:
        body = None
        if fields is not None:
            body = json.dumps({key: value for key, value in fields.items() if value is not None})
        connection = _Connection(self.path, timeout_s)
        try:
            with contextlib.suppress(BrokenPipeError):  # it may answer before it has read all
                connection.request(method, route, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            document = json.loads(response.read())
        except TimeoutError:
            raise DaemonUnreachable(f"the daemon at {self.path} did not answer within {timeout_s:g} s") from None
        except PermissionError:
            raise DaemonUnreachable(f"{self.path}: permission denied: be root or the daemon's own user") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
            raise DaemonUnreachable(f"no daemon answers at {self.path}: {what}") from None
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise DaemonUnreachable(f"what answers at {self.path} is no Akashi")
        if response.status >= 400:
            raise RefusedError(document.get("error", {}))
        return document


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else "true" if value else "false"


def client(file: Path | None, path: Path | None) -> Client:
    """A client for the socket given, else for that of the configuration; exits when that cannot be used."""
    if path is None:
        path = load_or_exit(file, ()).control.socket
    if path is None:
        raise click.UsageError("control.socket is off in this configuration; give --socket")
    return Client(path)


def print_json(document: object) -> None:
    """The answer as it came."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
