"""Replay scenarios: the real core in virtual time against a scripted network. docs/SCENARIOS.md says how."""
