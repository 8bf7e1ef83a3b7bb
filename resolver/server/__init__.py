"""The sides that touch the network: clients and upstream servers.

Rooms: `respond` and `screen` (pure: what a client gets), `access` (who is served), `service` (one query from octets to
octets), `listen_udp` and `listen_tcp` (sockets of clients), `batch` (many datagrams at once), `driver` (runs the mesh),
`matching` (pure: which answers count), `upstream_udp` and `upstream_tcp` (sockets to servers), `udp_socket`, `poller`,
`clock` and `entropy` (their tools), `counters`.
"""
