"""The control socket of a running lab: commands come in, one JSON object per line; lab/client.py is the other side."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab.internet import LabError

MAX_LINE = 65536

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def listen(path: Path, handler: Handler) -> asyncio.AbstractServer:
    """Listen on a Unix socket that only its owner may use; `handler` turns a request into a reply."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _reply(line, handler)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # Gone, or a line beyond the limit, or the lab ends: nobody left to tell.
        finally:
            writer.close()

    path.unlink(missing_ok=True)  # Left over from a lab that was killed; the lock on the pid file says it is ours.
    server = await asyncio.start_unix_server(connected, str(path), limit=MAX_LINE)
    path.chmod(0o600)
    return server


async def _reply(line: bytes, handler: Handler) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise LabError("a request is a JSON object")
        return {"ok": True, **await handler(request)}
    except json.JSONDecodeError as error:
        return {"ok": False, "error": f"not JSON: {error}"}
    except LabError as error:
        return {"ok": False, "error": str(error)}
