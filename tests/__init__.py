"""Tests. They mirror the packages; tests/rfc follows the RFCs, tests/scenarios replays, tests/e2e runs the daemon."""
