"""All figures of the documentation, measured and written into it: ``python -m benchmarks.everything [--rounds N]``.

It takes about half an hour. What has gone before it is kept when it is interrupted; ``--only peers`` is one part.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from . import documents

#: Each part with its command; the results go into a file of that name.
PARTS = {
    "peers": ("benchmarks", "--peers", "--rounds", "{rounds}"),
    "scale": ("benchmarks.scale", "--rounds", "{rounds}"),
    "memory": ("benchmarks.memory",),
    "clusters": ("benchmarks.clusters", "--rounds", "{rounds}"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everything", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, nargs="*", default=list(PARTS))
    asked = parser.parse_args()
    for part in asked.only:
        out = documents.RESULTS / f"{part}.json"
        out.unlink(missing_ok=True)
        module, *options = (word.format(rounds=asked.rounds) for word in PARTS[part])
        subprocess.run([sys.executable, "-m", module, *options, "--out", str(out)], check=True)
        documents.main()


if __name__ == "__main__":
    main()
