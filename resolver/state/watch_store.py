"""What the daemon learned of its traffic, in the state database: one JSON document a subject.

It is only learned again if lost: a document that makes no sense is left out, which its reader tells.
"""

import json
from typing import Any, Final

from resolver.state.database import Database

_VERSIONS: Final = (
    """
    CREATE TABLE watch (
        subject TEXT PRIMARY KEY,
        saved_wall REAL NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    """,
)


class WatchStore:
    """Documents by subject."""

    def __init__(self, database: Database) -> None:
        """Raises StateError: a newer version of Akashi made the tables."""
        self._database = database
        database.migrate("watch", _VERSIONS)

    def load(self, subject: str) -> dict[str, Any] | None:
        """The document last saved; None when there is none that can be read."""
        row = self._database.connection.execute("SELECT document FROM watch WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            return None
        try:
            document = json.loads(row[0])
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def save(self, subject: str, document: dict[str, Any], now_wall: float) -> None:
        """Keep a document, in place of the one before. Raises StateError."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO watch VALUES (?, ?, ?)", (subject, now_wall, json.dumps(document, allow_nan=False))
            )
