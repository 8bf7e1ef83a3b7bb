"""Becoming an ordinary user once the ports are bound, and having enough file descriptors."""

import os
import pwd
import resource
from typing import Final

from resolver.daemon.errors import StartError

WANTED_FILES: Final = 65_536
"""File descriptors that no configuration of ours exceeds."""


def become(user: str) -> None:
    """Give up root for this user, for good.

    Raises:
        StartError: no such user, or we are not root and cannot become anybody.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise StartError(f"server.user: there is no user {user}", f"make one: useradd --system {user}") from None
    if os.geteuid() != 0:
        if os.geteuid() == entry.pw_uid:
            return
        raise StartError(
            f"server.user: only root can become {user}", "start as root, or leave server.user empty to stay as started"
        )
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if entry.pw_uid != 0 and (os.getresuid() != (entry.pw_uid,) * 3 or _can_return()):
        raise StartError(f"server.user: root was not given up for {user}")


def _can_return() -> bool:
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def raise_file_limit() -> int:
    """Raise the soft limit of file descriptors as far as is useful and allowed; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED_FILES if hard == unlimited else min(WANTED_FILES, hard)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return WANTED_FILES if soft == unlimited else soft
