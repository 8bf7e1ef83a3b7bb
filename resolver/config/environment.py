"""What a configuration names and the system must have: files that can be read, a user that exists."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from resolver.config.findings import Finding
from resolver.config.model import Config


def missing_from_system(config: Config) -> Iterator[tuple[str, Finding]]:
    """Key and finding for each thing that is not there."""
    hints = config.upstream.root_hints
    if isinstance(hints, Path) and (problem := _unreadable(hints)):
        yield "upstream.root-hints", Finding(problem, key="upstream.root-hints", value=str(hints))
    anchors = config.trust.anchors
    for anchor in anchors if isinstance(anchors, tuple) else ():
        if problem := _unreadable(anchor):
            yield "trust.anchors", Finding(problem, key="trust.anchors", value=str(anchor))
    if config.server.user is not None:
        try:
            pwd.getpwnam(config.server.user)
        except KeyError:
            yield "server.user", Finding("no such user on this system", key="server.user", value=config.server.user)


def _unreadable(path: Path) -> str:
    """Why a file cannot be read; empty when it can."""
    try:
        if path.is_dir():
            return "a directory, not a file"
        if not path.exists():
            return "no such file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if os.access(path, os.R_OK) else "may not be read by this user"
