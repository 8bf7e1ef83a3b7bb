"""The guideline's items and other resolvers, looked at from the running daemon."""
