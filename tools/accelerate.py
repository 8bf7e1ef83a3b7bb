"""The accelerator: builds the compiled wheel, unpacks it beside the tree, and runs things with it.

    python tools/accelerate.py                     build what is not up to date
    python tools/accelerate.py -- COMMAND …        the same, then run COMMAND with the compiled packages
    python tools/accelerate.py --optional …        where there is no C compiler, say so and do nothing

AKASHI_OPTIMISE=1 has the C compiler optimise less: for tests, since it halves the time of a build.

The wheel is what `AKASHI_ACCELERATE=1 pip wheel .` makes, from a copy of the tree: a compiled module in the tree would hide
the source beside it and go stale. It goes to `dist/`, and unpacked to `build/accelerated/`, which COMMAND finds before the
tree (PYTHONPATH, PYTHONSAFEPATH).
"""

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wire", "trust", "resolver", "lab")
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
BUILD = ROOT / "build"
STAGE = BUILD / "accelerator"
"""The copy of the tree; what the compiler made of it stays there, so that the next build is shorter."""
UNPACKED = BUILD / "accelerated"
DIST = ROOT / "dist"
BESIDE = ("conf", "docs")
"""What lies beside the packages in the tree and is generated from them (`make check`)."""


def sources() -> list[Path]:
    """Everything the wheel is made of, relative to the root."""
    inside = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    found = [path.relative_to(ROOT) for path in inside if path.suffix != ".pyc"]
    return [*sorted(found), *map(Path, FILES)]


def fingerprint(files: list[Path]) -> str:
    """Of the sources and of what compiles them."""
    optimise = os.environ.get("AKASHI_OPTIMISE", "")
    digest = hashlib.sha256(f"{sys.version} {version('mypy')} {version('setuptools')} {optimise}".encode())
    for path in files:
        digest.update(str(path).encode() + b"\0" + (ROOT / path).read_bytes())
    return digest.hexdigest()


def copy(files: list[Path]) -> None:
    """Bring the copy up to date; what has not changed keeps its time, what is gone goes."""
    for path in files:
        target = STAGE / path
        if not target.exists() or target.read_bytes() != (ROOT / path).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    wanted = {STAGE / path for path in files}
    for package in PACKAGES:
        for path in list((STAGE / package).rglob("*")):
            if path.is_file() and path not in wanted:
                path.unlink()
    # setuptools puts into a wheel whatever an earlier build left there.
    compiled = compiled_modules()
    for library in (STAGE / "build").glob("lib*"):
        for path in list(library.rglob("*")):
            source = path.relative_to(library).with_name(path.name.partition(".")[0] + ".py")
            # The library that all share lies at the top and has no source of its own.
            current = path.suffix == ".so" and (source.parent == Path() or source in compiled)
            if path.is_file() and not current:
                path.unlink()


def compiled_modules() -> set[Path]:
    """What setup.py compiles, by the two tuples of patterns in it."""
    patterns: dict[str, tuple[str, ...]] = {}
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("COMPILED", "INTERPRETED"):
                patterns[name] = ast.literal_eval(node.value)
    found = {path.relative_to(ROOT) for pattern in patterns["COMPILED"] for path in ROOT.glob(pattern)}
    return {path for path in found if not any(path.match(pattern) for pattern in patterns["INTERPRETED"])}


def build() -> None:
    """Make wheel and unpacked packages, unless they are up to date."""
    files = sources()
    print_of_files = fingerprint(files)
    stamp = UNPACKED / ".fingerprint"
    if stamp.exists() and stamp.read_text() == print_of_files:
        return
    print("compiling the core with mypyc; some minutes the first time …", flush=True)
    copy(files)
    wheels = STAGE / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    quiet = {"AKASHI_ACCELERATE": "1", "PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([*command, "-w", wheels, STAGE], check=True, env=os.environ | quiet)
    (wheel,) = wheels.glob("*.whl")
    fresh = BUILD / "accelerated.new"
    shutil.rmtree(fresh, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(fresh)
    (fresh / ".fingerprint").write_text(print_of_files)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    fresh.rename(UNPACKED)
    DIST.mkdir(exist_ok=True)
    shutil.copy(wheel, DIST)
    print(f"wheel: dist/{wheel.name}\nunpacked: {UNPACKED.relative_to(ROOT)}", flush=True)


def link() -> None:
    """Have the unpacked packages find the tree's generated files where they look for them."""
    for name in BESIDE:
        if not (UNPACKED / name).is_symlink():
            (UNPACKED / name).symlink_to(ROOT / name)


def lacking() -> str:
    """What must be installed before anything can be compiled; empty when nothing."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler}; on Debian: apt-get install gcc)"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's headers are missing (on Debian: apt-get install python3-dev)"
    return ""


def environment() -> dict[str, str]:
    """In which Python finds the compiled packages first, whatever the working directory, then what else is in the tree."""
    return {
        "PYTHONPATH": os.pathsep.join((str(UNPACKED), str(ROOT))),
        "PYTHONSAFEPATH": "1",
        "AKASHI_EXPECT_CORE": "compiled",
    }


def main() -> None:
    """See above."""
    arguments = sys.argv[1:]
    optional = arguments[:1] == ["--optional"]
    if lack := lacking():
        print(f"The core is not compiled: {lack}.", file=sys.stderr)
        sys.exit(not optional)
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "accelerate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build()
        link()
    if "--" in arguments:
        command = arguments[arguments.index("--") + 1 :]
        os.execvpe(command[0], command, os.environ | environment())  # noqa: S606 - what the caller asked for


if __name__ == "__main__":
    main()
