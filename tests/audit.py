"""Asks whether a known vulnerability is in what is installed: ``python -m tests.audit``, a part of ``make test``.

What cannot be asked fails no build, but is said aloud: a host that is out of reach, or an index without advisories.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = [
    sys.executable,
    "-m",
    "pip_audit",
    "--progress-spinner",
    "off",
    "-s",
    "pypi",
    "--skip-editable",
    "-f",
    "json",
]
SECONDS = 120


def main() -> int:
    """0 if nothing is known against what was audited, 1 if something is."""
    try:
        run = subprocess.run(COMMAND, capture_output=True, text=True, timeout=SECONDS)
        found = json.loads(run.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return skipped(f"pip-audit had no answer: {error}")
    return judged(found)


def judged(found: list[dict[str, Any]]) -> int:
    bad = [each for each in found if each.get("vulns")]
    for each in bad:
        ids = ", ".join(vuln["id"] for vuln in each["vulns"])
        say(f"{each['name']} {each['version']} is vulnerable: {ids}")
    if bad:
        return 1
    audited = [each for each in found if "vulns" in each]
    if len(audited) * 2 < len(found):
        return skipped(f"this package index knows advisories for {len(audited)} of {len(found)} packages only")
    say(f"pip-audit: nothing is known against {len(audited)} packages")
    return 0


def skipped(why: str) -> int:
    say(f"!!! THE DEPENDENCIES WERE NOT AUDITED: {why}")
    return 0


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
