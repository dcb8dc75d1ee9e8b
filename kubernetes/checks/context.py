"""Lays out what `docker build` would send to the engine: what git knows, without what .dockerignore leaves out."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import ROOT
from docker.utils.build import exclude_paths

# A clean clone has neither what git ignores nor what lies about.
listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
patterns = [line.strip() for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()]
patterns = [line for line in patterns if line and not line.startswith("#")]
target = pathlib.Path(sys.argv[1])
shutil.rmtree(target, ignore_errors=True)

with tempfile.TemporaryDirectory() as clone:
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            copy = pathlib.Path(clone) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            # With its time: cargo compiles again what is newer than its artefacts.
            shutil.copy2(ROOT / name, copy)
    for name in exclude_paths(clone, patterns):
        source = pathlib.Path(clone) / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
if not os.path.exists(target / "Cargo.toml"):
    sys.exit(".dockerignore leaves nothing of the workspace")
