"""The C library, for system calls that Python's modules have no words for.

Limitations: only for calls that never wait: they keep the interpreter's lock, since to release it would only cost.
"""

from typing import Any, Final


def find_library() -> Any | None:
    """What is loaded into this process, as ctypes gives it; None where there is no ctypes."""
    try:
        import ctypes

        return ctypes.PyDLL(None)
    except (ImportError, MemoryError, OSError):
        # MemoryError: with an old libffi the import wants memory that is writable and executable, which may be forbidden.
        return None


LIBRARY: Final = find_library()
