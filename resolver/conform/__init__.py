"""Conformance with the guideline's 2-1 … 2-22, and whether a fleet of resolvers agrees. Pure.

Rooms: `items` (the 22 items and which level needs them), `facts` (what was found out about a daemon), `judge` (facts →
findings and level), `words` (every sentence in English and Japanese), `fleet` (what the answers of several resolvers say).
Whoever touches the world collects the facts: `resolver.daemon.conform.service`, `resolver.daemon.conform.fleet_probe`.
"""
