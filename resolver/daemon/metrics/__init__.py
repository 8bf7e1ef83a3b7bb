"""Metrics: the table of them, their exporter, their document."""
