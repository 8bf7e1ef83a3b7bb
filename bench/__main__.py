"""`python -m bench` is `python -m bench run`."""

import sys

from bench.cli import main

if len(sys.argv) < 2 or (sys.argv[1].startswith("-") and sys.argv[1] != "--help"):
    sys.argv.insert(1, "run")
main(prog_name="python -m bench")
