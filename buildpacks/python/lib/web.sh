# How a Python app is started if its Procfile doesn't tell. A Flask or Django
# app whose object is found where those frameworks' own guides put it, and that
# brings gunicorn, gets the obvious command; gunicorn binds to $PORT by itself.

# The module (app, wsgi, main ...) at the root that defines `app` by $1.
module_with_app() {
  local module
  for module in app wsgi main server; do
    if [[ -f $module.py ]] && grep -qE "^app[[:space:]]*(:[^=]*)?=[[:space:]]*$1\(" "$module.py"; then
      printf '%s' "$module"
      return 0
    fi
  done
  return 1
}

# Prints the module of a Django project at the root.
django_wsgi() {
  local found=(*/wsgi.py)
  [[ -f manage.py && ${#found[@]} == 1 && -f ${found[0]} ]] && printf '%s.wsgi' "${found[0]%/wsgi.py}"
}

# Prints what gunicorn would serve: a Flask app or a Django project.
wsgi_app() {
  local module
  if module=$(module_with_app '(flask\.)?(Flask|create_app)'); then
    printf '%s:app' "$module"
  else
    django_wsgi
  fi
}

# Prints the default web command, if there is one.
web_command() {
  local app
  [[ ! -x .heroku/python/bin/gunicorn ]] || ! app=$(wsgi_app) || printf 'gunicorn %s' "$app"
}

# Says plainly that nothing will answer, and what would.
warn_without_web() {
  [[ ! -f Procfile && -z $(web_command) ]] || return 0
  local app line='web: python server.py'
  if app=$(module_with_app '(fastapi\.|starlette\.applications\.)?(FastAPI|Starlette)'); then
    line="web: uvicorn $app:app --host 0.0.0.0 --port \$PORT"
  elif app=$(wsgi_app); then
    line="web: gunicorn $app"
    problem 'gunicorn, which would serve this app, is not among its packages.'
  fi
  problem 'No web process: nothing says how the app is started, so it will not answer requests.'
  problem "Add a file named Procfile with a line such as \`$line\`, and push again."
}
