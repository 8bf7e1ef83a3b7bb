"""Telling systemd how we are (sd_notify protocol): nothing happens outside of systemd."""

import os
import socket


def notify(state: str) -> None:
    """Send "READY=1", "STOPPING=1" … to the socket that systemd named; an error changes nothing for us."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    if name.startswith("@"):  # an abstract socket
        name = "\0" + name[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(name)
            sock.send(state.encode())
        except OSError:
            return
