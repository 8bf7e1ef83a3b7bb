"""The unix socket of the control API: who may open it, where it is made, and what is done about one left behind.

It belongs to the daemon's user and to nobody else: mode 0600, in a directory that is made with mode 0700 when it is not
there. Whoever connects is asked for by user ID as well (`peer_is_allowed`), so that a careless directory or a moved socket
opens nothing.

A socket file on which nobody answers is left over from a daemon that was killed, and is replaced; one on which somebody
answers is another daemon's.
"""

import errno
import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from resolver.daemon.errors import StartError

_CREDENTIALS: Final = struct.Struct("=iII")
"""struct ucred: pid, uid, gid."""
_BACKLOG: Final = 64


def open_control(path: Path, user: str | None) -> socket.socket:
    """A bound and listening socket; `user` is who we are about to become.

    Raises:
        StartError: it cannot be made, or another daemon answers there.
    """
    owner = pwd.getpwnam(user) if user is not None and os.geteuid() == 0 else None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700)
            if owner is not None:
                os.chown(path.parent, owner.pw_uid, owner.pw_gid)
        _clear(path)
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        if owner is not None:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        return sock
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"control.socket: another daemon answers at {path}", "stop it, or choose another path for this one"
            ) from None
        raise StartError(
            f"control.socket: {path}: {error.strerror}",
            "choose a path in a directory that the daemon may write to, or switch the control socket off with an empty one",
        ) from None
    except BaseException:
        sock.close()
        raise


def _clear(path: Path) -> None:
    """Remove what a killed daemon left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "something that is no socket is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def peer_is_allowed(sock: socket.socket) -> bool:
    """Whether root or our own user is at the other end."""
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return False
    _, uid, _ = _CREDENTIALS.unpack(data)
    return uid in (0, os.geteuid())
