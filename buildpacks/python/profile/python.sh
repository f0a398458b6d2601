export PATH="$HOME/.heroku/python/bin:$PATH"
export VIRTUAL_ENV="$HOME/.heroku/python"
export PYTHONUNBUFFERED=true
export LANG=${LANG:-C.UTF-8}
export PYTHONPATH=${PYTHONPATH:-$HOME}
# The router is the only one who can reach the app, so its headers are trusted.
export FORWARDED_ALLOW_IPS=${FORWARDED_ALLOW_IPS:-*}
export GUNICORN_CMD_ARGS=${GUNICORN_CMD_ARGS:---access-logfile -}
