"""What static.json says, checked; and how texts of it become parts of nginx's language."""

import json
import os
import re
import sys

KNOWN = {
    "basic_auth",
    "canonical_host",
    "clean_urls",
    "encoding",
    "error_page",
    "headers",
    "https_only",
    "index",
    "logging",
    "proxies",
    "redirects",
    "root",
    "routes",
}


def fail(text):
    print(f"\n !     static.json: {text}\n")
    sys.exit(1)


def inside(path, what):
    """A path within the app, without a slash at either end."""
    if not isinstance(path, str) or any(ord(char) < 32 for char in path):
        fail(f"{what} must be a text of one line")
    return os.path.normpath("/" + path).strip("/")


def literal(text):
    """One word of nginx's language where it knows no variables: expressions."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text):
    """A part of a quoted text that is to mean itself. `${NAME}` stands for a
    config var; it stays as a mark for the start."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", r"@{\1}", text)
    return text.replace("$", "${dollar}")


def quoted(text):
    return f'"{escaped(text)}"'


def pattern(glob):
    """`**` stands for anything, `*` for anything but a slash."""
    if not isinstance(glob, str) or any(ord(char) < 32 for char in glob):
        fail("a path must be a text of one line")
    meaning = {"**": ".*", "*": "[^/]*"}
    return "^" + "".join(meaning.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", glob)) + "$"


class Settings:
    def __init__(self, found):
        """`found` is None if there is no static.json."""
        self.is_given = found is not None
        self.found = found or {}

    @classmethod
    def read(cls, build_dir):
        path = os.path.join(build_dir, "static.json")
        if not os.path.isfile(path):
            return cls(None)
        try:
            with open(path, encoding="utf-8-sig") as file:
                found = json.load(file)
        except ValueError as error:
            fail(f"this is no JSON: {error}")
        if not isinstance(found, dict):
            fail("this must be a JSON object")
        for key in sorted(set(found) - KNOWN):
            print(f" !     Warning: static.json: `{key}` is not supported and is passed over")
        return cls(found)

    def root(self, build_dir):
        """The folder to serve, and what to call it: public_html unless said
        otherwise, as on Heroku; without static.json the app itself may be it."""
        if "root" in self.found:
            root = inside(self.found["root"], "`root`")
        elif self.is_given or os.path.isfile(os.path.join(build_dir, "public_html/index.html")):
            root = "public_html"
        else:
            root = ""
        if not os.path.isdir(os.path.join(build_dir, root)):
            fail(f"the folder `{root}`, which is to be served, does not exist; `root` names another one")
        return root, root or "the app's root"

    def get(self, key, default):
        return self.found.get(key) or default

    def flag(self, key):
        return self.found.get(key) is True

    def table(self, key):
        found = self.found.get(key) or {}
        if not isinstance(found, dict):
            fail(f"`{key}` must be an object")
        return found

    def line(self, key):
        found = self.found.get(key)
        return self.one_line(found, f"`{key}`") if found else ""

    def one_line(self, value, what):
        if not isinstance(value, str) or any(ord(char) < 32 for char in value):
            fail(f"{what} must be a text of one line")
        return value
