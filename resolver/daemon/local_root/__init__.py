"""The local copy of the root zone: fetched, checked, kept and handed to the workers (RFC 8806)."""
