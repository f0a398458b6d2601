"""Writes the configuration of nginx for a static site.

Usage: configure.py BUILD_DIR OUTPUT

Reads static.json as Heroku's static buildpack did: root, clean_urls,
https_only, error_page, routes, redirects, headers. `@PORT@` and `@HOME@` are
put in when the app starts.
"""

import json
import os
import re
import sys

KNOWN = {"root", "clean_urls", "https_only", "error_page", "routes", "redirects", "headers"}


def fail(text):
    print(f"\n !     static.json: {text}\n")
    sys.exit(1)


def read(build_dir):
    path = os.path.join(build_dir, "static.json")
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8-sig") as file:
            found = json.load(file)
    except ValueError as error:
        fail(f"this is no JSON: {error}")
    if not isinstance(found, dict):
        fail("this must be a JSON object")
    for key in sorted(set(found) - KNOWN):
        print(f" !     Warning: static.json: `{key}` is not supported and is passed over")
    return found


def text(value, what):
    if not isinstance(value, str) or any(ord(char) < 32 for char in value):
        fail(f"{what} must be a text of one line")
    return value


def table(config, key):
    found = config.get(key) or {}
    if not isinstance(found, dict):
        fail(f"`{key}` must be an object")
    return found


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def inside(path, what):
    """A path within the app, without a slash at either end."""
    path = os.path.normpath("/" + text(path, what))
    return path.strip("/")


def pattern(glob):
    """`**` stands for anything, `*` for anything but a slash."""
    parts = re.split(r"(\*\*|\*)", text(glob, "a path"))
    meaning = {"**": ".*", "*": "[^/]*"}
    return "^" + "".join(meaning.get(part) or re.escape(part).replace('"', r"\"") for part in parts) + "$"


def configure(build_dir):
    config = read(build_dir)
    if config is None:
        root, shown = "", "the app's root"
    else:
        root = inside(config.get("root", "public_html"), "`root`")
        shown = root or "the app's root"
    config = config or {}
    full = os.path.join(build_dir, root)
    if not os.path.isdir(full):
        fail(f"the folder `{root}`, which is to be served, does not exist")
    print(f"       Serving {shown} with nginx")
    if not os.path.isfile(os.path.join(full, "index.html")):
        print(f" !     Warning: there is no index.html in {shown}, so / will not be found")

    server = []
    maps = []
    if config.get("https_only") is True:
        server.append("if ($http_x_forwarded_proto = http) { return 301 https://$http_host$request_uri; }")
    error_page = config.get("error_page", "404.html")
    error_page = inside(error_page, "`error_page`")
    if os.path.isfile(os.path.join(full, error_page)):
        server.append(f"error_page 404 {quoted('/' + error_page)};")
        server.append(f"error_page 403 =404 {quoted('/' + error_page)};")
    else:
        server.append("error_page 403 =404 @absent;")
        server.append('location @absent { default_type text/plain; return 404 "Not found\\n"; }')
    # Dot files are the app's own matter, except for what is meant to be seen.
    server.append(r"location ~ /\.(?!well-known(/|$)) { return 404; }")
    if not root:
        server.append(r"location ~ ^/(Procfile|static\.json|app\.json)$ { return 404; }")
    for source, target in table(config, "redirects").items():
        if not isinstance(target, dict):
            fail(f"redirect of {source} must be an object with `url`")
        status = target.get("status", 301)
        if status not in (301, 302, 303, 307, 308):
            fail(f"redirect of {source}: {status} is no status of a redirect")
        server.append(f"location ~ {quoted(pattern(source))} {{ return {status} {quoted(text(target.get('url'), '`url`'))}; }}")
    found = "$uri $uri.html $uri/" if config.get("clean_urls") is True else "$uri $uri/"
    for source, target in table(config, "routes").items():
        file = "/" + inside(target, f"the route of {source}")
        server.append(f"location ~ {quoted(pattern(source))} {{ try_files {found} {quoted(file)} =404; }}")
    server.append(f"location / {{ try_files {found} =404; }}")
    number = 0
    for path, headers in table(config, "headers").items():
        if not isinstance(headers, dict):
            fail(f"headers of {path} must be an object")
        expression = pattern("/**" if path == "/" else path)
        for name, value in headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name):
                fail(f"`{name[:60]}` is no name of a header")
            maps.append(f'map $uri $header_{number} {{ default ""; {quoted("~" + expression)} {quoted(text(value, name))}; }}')
            server.append(f"add_header {name} $header_{number} always;")
            number += 1

    folder = "@HOME@/" + root if root else "@HOME@"
    temporary = "".join(
        f"  {kind}_temp_path /tmp/nginx/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off;
worker_processes 1;
pid /tmp/nginx/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  charset utf-8;
  access_log off;
  server_tokens off;
  absolute_redirect off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 120s;
  gzip on;
  gzip_vary on;
  gzip_proxied any;
  gzip_types text/css text/plain text/xml application/javascript application/json application/xml image/svg+xml;
{temporary}{"".join(f"  {line}{chr(10)}" for line in maps)}  server {{
    listen @PORT@;
    root {quoted(folder)};
    index index.html index.htm;
{"".join(f"    {line}{chr(10)}" for line in server)}  }}
}}
"""


def main():
    build_dir, output = sys.argv[1:]
    with open(output, "w", encoding="utf-8") as file:
        file.write(configure(build_dir))


main()
