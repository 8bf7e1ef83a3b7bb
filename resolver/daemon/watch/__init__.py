"""What the daemon watches itself by: clock, probes, baseline of SERVFAIL, impact of failures."""
