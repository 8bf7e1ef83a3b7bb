"""`python -m bench` is `python -m bench run`."""

import os
import sys

from bench.cli import main

if __name__ == "__main__":
    # The daemons live where the search path of an ordinary user does not lead.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

    if len(sys.argv) < 2 or (sys.argv[1].startswith("-") and sys.argv[1] != "--help"):
        sys.argv.insert(1, "run")
    main(prog_name="python -m bench")
