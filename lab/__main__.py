"""`python -m lab`: the process that `akashi lab up` leaves in the background. Use `akashi lab` instead."""

import argparse
import sys
from pathlib import Path

from lab.directory import Settings
from lab.process import main

parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
parser.add_argument("--directory", type=Path, required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--backend", required=True)
parser.add_argument("--resolver-listen", required=True)
parser.add_argument("--metrics-listen", required=True)
parser.add_argument("--prefix", required=True)
parser.add_argument("--ttl", type=int)
parser.add_argument("--no-faults", dest="faults", action="store_false")

if __name__ == "__main__":
    sys.exit(main(Settings(**vars(parser.parse_args()))))
