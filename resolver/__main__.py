"""`python -m resolver` is the command `akashi`."""

from resolver.cli import main

main()
