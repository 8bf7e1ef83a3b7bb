"""Opens the state database for the daemon, after privileges are dropped.

Without a state directory the daemon resolves all the same, and says so: only what must be remembered (NTAs by command,
trust anchors learnt) is not to be had. A database that another daemon has, or that a newer version wrote, keeps it from
starting when the configuration names that very directory: its operator expects what is in there to be in force.
"""

import os
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from resolver.config import Config
from resolver.daemon.errors import StartError
from resolver.server import clock
from resolver.state.database import Database, StateError


def open_state(config: Config, log: FilteringBoundLogger) -> Database | None:
    """The database; None when there is none to be had, which is told in the log.

    Raises:
        StartError: the directory that the configuration names is there, and its database cannot be used.
    """
    directory: Path = config.trust.state_dir
    if not directory.is_dir():
        log.warning("state-directory-missing", directory=str(directory), option="trust.state-dir")
        return None
    if not os.access(directory, os.W_OK | os.X_OK):
        log.warning("state-directory-read-only", directory=str(directory), option="trust.state-dir")
        return None
    try:
        return Database(directory, log, clock.now().wall)
    except StateError as error:
        if directory != Config().trust.state_dir:
            raise StartError(error.problem, error.advice) from None
        log.warning("state-unavailable", problem=error.problem, advice=error.advice)
        return None
