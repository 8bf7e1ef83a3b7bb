"""Hostile authorities: what they do (`attacks`), in virtual time (`virtual`) and on loopback sockets (`sockets`)."""
