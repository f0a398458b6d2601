"""Tells whether Pipfile.lock was made from the Pipfile beside it.

Usage: pipfile.py; the exit status is 0 if it was.

`pipenv install --deploy` can't be asked: what it counts changes between its
versions, so that it refuses good lockfiles of older ones. Newer versions count
names of packages in their normal form, and where the Pipfile leaves out
[[source]], each version has a default of its own; the lockfile tells it.
"""

import hashlib
import json
import re
import sys
import tomllib

SECTIONS = {"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop"}


def normal(packages):
    return {re.sub(r"[-_.]+", "-", name).lower(): wish for name, wish in packages.items()}


def checksum(pipfile, sources, named):
    content = {
        "_meta": {"sources": pipfile.get("source", sources), "requires": pipfile.get("requires", {})},
        "default": named(pipfile.get("packages", {})),
        "develop": named(pipfile.get("dev-packages", {})),
    }
    content.update((name, named(packages)) for name, packages in pipfile.items() if name not in SECTIONS)
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def main():
    try:
        with open("Pipfile", "rb") as file:
            pipfile = tomllib.load(file)
        with open("Pipfile.lock", encoding="utf-8") as file:
            meta = json.load(file)["_meta"]
        known = meta["hash"]["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        print(f"Pipfile or Pipfile.lock can't be read: {error}")
        sys.exit(1)
    if known not in (checksum(pipfile, meta.get("sources", []), named) for named in (normal, dict)):
        print("The Pipfile has changed since Pipfile.lock was made.")
        sys.exit(1)


main()
