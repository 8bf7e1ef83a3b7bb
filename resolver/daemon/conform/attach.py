"""Hangs conformance onto the daemon; what it imports comes with the control API, after the workers are there."""

from typing import TYPE_CHECKING

from resolver.daemon.manager import Manager
from resolver.daemon.trust.anchor_book import AnchorBook
from resolver.daemon.watch.watch import Watch

if TYPE_CHECKING:
    from aiohttp import web


def attach_conformance(manager: Manager, book: AnchorBook, watch: Watch) -> None:
    """Serve it."""

    def table() -> "list[web.RouteDef]":
        from resolver.daemon.conform.service import Conformance

        return Conformance(manager, book, watch).routes()

    manager.hooks.tables.append(table)
