"""Health check of a container: is the process on this port ready?

    python healthcheck.py 8123

Prints what is wrong and exits with 1 when it is not. Standard library only.
"""

import json
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 8.0
"""Above the 5 s that each check of /readyz may take [s]."""


def problem(port: int) -> str | None:
    """What keeps the process on this port from being ready; None when it is."""
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        try:
            checks = json.load(error)["checks"]
        except (ValueError, KeyError):
            return f"{url}: {error.code}"
        bad = [f"{name}: {text}" for name, text in checks.items() if text != "ok"]
        return "; ".join(bad)
    except OSError as error:
        return f"{url}: {error}"


if __name__ == "__main__":
    found = problem(int(sys.argv[1]))
    if found is not None:
        print(found)
        sys.exit(1)
