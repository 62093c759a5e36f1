"""`build.py FOLDER`: what `kustomize build FOLDER` prints. Run by the interpreter of `.venv-kit`."""

import asyncio
import sys

from pykustomize import build

sys.stdout.write(asyncio.run(build(sys.argv[1])).yaml)
