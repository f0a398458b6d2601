"""Writes the configuration of nginx for a static site.

Usage: configure.py BUILD_DIR OUTPUT_FOLDER

Reads static.json as Heroku's static buildpack did. A request is answered in
its order: https and host, files, clean URLs, proxies, redirects, routes, 404.
nginx tries files first; what is to be done without one is looked up in a map,
whose expressions stand in that order.

What is known only when the app starts stands as `@NAME@` in the output, and
`serve` puts it in: the port, the folder, config vars.
"""

import json
import os
import re
import sys

from settings import Settings, escaped, fail, inside, literal, pattern, quoted

# What nginx's own list lacks.
TYPES = """
    text/javascript mjs;
    text/csv csv;
    text/markdown md;
    text/calendar ics;
    application/manifest+json webmanifest;
    application/geo+json geojson;
    font/ttf ttf;
    font/otf otf;
"""
TEXTS = (
    "text/plain text/css text/xml text/csv text/markdown text/calendar text/javascript application/javascript "
    "application/xml application/rss+xml application/atom+xml"
)
COMPRESSED = TEXTS + " application/json application/manifest+json application/geo+json application/wasm image/svg+xml image/x-icon font/ttf font/otf"
ERROR_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
REDIRECTS = (301, 302, 303, 307, 308)


class Site:
    """Collects the lines of nginx's `http` and `server` blocks."""

    def __init__(self, build_dir, settings):
        self.settings = settings
        self.root, self.shown = settings.root(build_dir)
        self.full = os.path.join(build_dir, self.root)
        self.http, self.server = [], []
        # What is done without a file: an expression, and the name of a location.
        self.fallbacks = []

    def location(self, expression, lines):
        name = f"@f{len(self.fallbacks)}"
        self.fallbacks.append((expression, name))
        self.server.append(f"location {name} {{ {lines} }}")

    def hosts(self):
        if self.settings.flag("https_only"):
            self.server.append("if ($http_x_forwarded_proto = http) { return 301 https://$http_host$request_uri; }")
        host = self.settings.line("canonical_host")
        if host:
            self.http.append("map $http_x_forwarded_proto $asked_scheme { default http; https https; }")
            # Empty if it is a config var that is not set: then any host will do.
            self.server.append(f'set $canonical {quoted(host)}; if ($canonical = "") {{ set $canonical $host; }}')
            self.server.append("if ($host != $canonical) { return 301 $asked_scheme://$canonical$request_uri; }")

    def errors(self):
        page = inside(self.settings.get("error_page", "404.html"), "`error_page`")
        if os.path.isfile(os.path.join(self.full, page)):
            self.server.append(f"error_page 404 500 {quoted('/' + page)};")
            self.server.append(f"error_page 403 =404 {quoted('/' + page)};")
        else:
            self.server.append("error_page 403 404 =404 @absent;")
            self.server.append('location @absent { types { } default_type text/plain; return 404 "Not found\\n"; }')
        # Dot files are the app's own matter, except for what is meant to be seen.
        self.server.append(r"location ~ /\.(?!well-known(/|$)) { return 404; }")
        if not self.root:
            self.server.append(r"location ~ ^/(Procfile|static\.json|app\.json)$ { return 404; }")

    def proxies(self):
        """Returns the origins, which `serve` takes apart: they may name config vars."""
        origins = []
        # The longest mount point that fits counts.
        for mount, wish in sorted(self.settings.table("proxies").items(), key=lambda proxy: -len(proxy[0])):
            origin = self.settings.one_line(wish.get("origin") if isinstance(wish, dict) else None, f"`origin` of the proxy {mount}")
            if not re.match(r"https?://|\$\{", origin):
                fail(f"the origin of the proxy {mount} must begin with http:// or https://")
            mount = "/" + mount.strip("/")
            number = len(origins)
            # A config var's name stays, and is marked as in other texts.
            origins.append(re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", r"@{\1}", origin))
            lines = (
                f'set $origin "@BASE{number}@"; '
                f"rewrite {literal('(?s)^' + re.escape(mount) + '/?(.*)$')} \"@PATH{number}@/$1\" break; proxy_pass $origin; "
                f'proxy_redirect "@BASE{number}@@PATH{number}@/" {quoted(mount + "/")}; '
                "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_wish; "
                "proxy_ssl_server_name on; proxy_ssl_verify on; proxy_ssl_verify_depth 4; "
                "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;"
            )
            self.location("^" + re.escape(mount) + "(/|$)", lines)
        if origins:
            self.http.append('map $http_upgrade $connection_wish { default upgrade; "" ""; }')
            self.http.append("resolver @RESOLVER@;")
        return origins

    def redirects(self):
        for source, target in self.settings.table("redirects").items():
            if not isinstance(target, dict):
                fail(f"the redirect of {source} must be an object with `url`")
            status = target.get("status", 301)
            if status not in REDIRECTS:
                fail(f"redirect of {source}: {status} is no status of a redirect")
            url = self.settings.one_line(target.get("url"), f"`url` of the redirect of {source}")
            self.location(pattern(source), f"return {status} {quoted(url)};")

    def routes(self):
        for source, target in self.settings.table("routes").items():
            excepts = []
            if isinstance(target, dict):
                target, excepts = target.get("path"), target.get("excepts", [])
            for glob in excepts:
                self.location(pattern(glob), "return 404;")
            file = "/" + inside(target, f"the route of {source}")
            self.location(pattern(source), f"try_files {quoted(file)} =404;")

    def files(self):
        found = "$uri $uri.html $uri/" if self.settings.flag("clean_urls") else "$uri $uri/"
        self.location("^", "return 404;")
        lines = " ".join(f"{literal('~' + expression)} {name};" for expression, name in self.fallbacks)
        self.http.append(f"map $uri $fallback {{ {lines} }}")
        self.server.append(f"location / {{ try_files {found} $fallback; }}")

    def headers(self):
        """The headers of the last path that fits, and of no other."""
        sets, names = [], {}
        for number, (path, headers) in enumerate(self.settings.table("headers").items()):
            if not isinstance(headers, dict):
                fail(f"the headers of {path} must be an object")
            sets.insert(0, f"{literal('~' + pattern(path))} {number};")
            for name, value in headers.items():
                if not re.fullmatch(r"[A-Za-z0-9-]+", name):
                    fail(f"`{name[:60]}` is no name of a header")
                value = json.dumps(value) if isinstance(value, (bool, int, float)) else value
                names.setdefault(name, []).append(f"{number} {quoted(self.settings.one_line(value, name))};")
        if not sets:
            return
        # The path that was asked for: $uri changes when a file is found for it.
        self.server.insert(0, 'if ($asked = "") { set $asked $uri; }')
        self.http.append(f"map $asked $headers {{ default none; {' '.join(sets)} }}")
        for number, (name, values) in enumerate(names.items()):
            self.http.append(f'map $headers $header_{number} {{ default ""; {" ".join(values)} }}')
            self.server.append(f"add_header {name} $header_{number} always;")

    def text(self):
        logging = self.settings.table("logging")
        level = logging.get("error", "error")
        if level not in ERROR_LEVELS:
            fail(f"`logging.error` must be one of {', '.join(ERROR_LEVELS)}")
        access = "/dev/stdout" if logging.get("access") is True else "off"
        charset = self.settings.line("encoding") or "utf-8"
        if not re.fullmatch(r"[A-Za-z0-9_-]+", charset):
            fail(f"`{charset[:60]}` is no name of an encoding")
        index = inside(self.settings.get("index", "index.html"), "`index`")
        names = " ".join(dict.fromkeys([index, "index.html", "index.htm"]))
        folder = "@HOME@/" + self.root if self.root else "@HOME@"
        ready = any(name.endswith(".gz") for _, _, files in os.walk(self.full) for name in files)
        temporary = "".join(
            f"  {kind}_temp_path /tmp/nginx/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        lines = "".join
        return f"""daemon off;
worker_processes 1;
pid /tmp/nginx/pid;
error_log stderr {level};
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types;
  types {{{TYPES}  }}
  default_type application/octet-stream;
  charset {charset};
  charset_types {TEXTS};
  access_log {access};
  server_tokens off;
  absolute_redirect off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 120s;
  gzip on;
  gzip_vary on;
  gzip_proxied any;
  gzip_min_length 512;
  gzip_types {COMPRESSED};
  gzip_static {"on" if ready else "off"};
  # A text may hold a dollar sign, which begins a variable's name else.
  geo $dollar {{ default "$"; }}
{temporary}{lines(f"  {line}{chr(10)}" for line in self.http)}  server {{
    listen @PORT@;
    root "{escaped(folder)}";
    index {names};
    @AUTHENTICATION@
{lines(f"    {line}{chr(10)}" for line in self.server)}  }}
}}
"""


def main():
    build_dir, output = sys.argv[1:]
    settings = Settings.read(build_dir)
    site = Site(build_dir, settings)
    print(f"       Serving {site.shown} with nginx")
    if not os.path.isfile(os.path.join(site.full, settings.get("index", "index.html"))):
        print(f" !     Warning: there is no index.html in {site.shown}, so / will not be found")
    site.hosts()
    site.errors()
    origins = site.proxies()
    site.redirects()
    site.routes()
    site.files()
    site.headers()
    with open(os.path.join(output, "nginx.conf"), "w", encoding="utf-8") as file:
        file.write(site.text())
    with open(os.path.join(output, "origins"), "w", encoding="utf-8") as file:
        file.writelines(f"{origin}\n" for origin in origins)
    if settings.flag("basic_auth"):
        open(os.path.join(output, "basic_auth"), "w", encoding="utf-8").close()


main()
