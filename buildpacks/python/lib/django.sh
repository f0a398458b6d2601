# Django's static files are collected when the app is built, as on Heroku.

collect_static() {
  local manage log=/tmp/collectstatic.log
  if [[ $(config_var DISABLE_COLLECTSTATIC || echo 0) != 0 ]]; then
    step 'Skipping Django collectstatic since the env var DISABLE_COLLECTSTATIC is set.'
    return 0
  fi
  python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("django"))' || return 0
  # The one nearest to the root.
  manage=$(find . -maxdepth 3 -name manage.py -type f -not -path './.heroku/*' -printf '%d\t%P\n' | sort -k1n -k2 | head -n 1 | cut -f2)
  if [[ -z $manage ]]; then
    step 'Skipping Django collectstatic since no manage.py file found.'
    return 0
  fi
  step "\$ python $manage collectstatic --noinput"
  # A config var PYTHONPATH comes first.
  if PYTHONPATH=. with_config_vars python "$manage" collectstatic --noinput --traceback 2>&1 | tee "$log" | indent; then
    rm -f "$log"
    return 0
  fi
  # An app that does not use Django's static files has nothing to collect.
  if grep -q "Unknown command: 'collectstatic'" "$log"; then
    detail "Passed over: django.contrib.staticfiles is not among the app's INSTALLED_APPS."
    rm -f "$log"
    return 0
  fi
  explain_collectstatic "$manage" "$log"
}

explain_collectstatic() {
  local manage="$1" log="$2" last hints=()
  # What ended it is the last line.
  last=$(grep . "$log" | tail -n 1)
  if [[ $last =~ ^KeyError:\ [\'\"]([A-Za-z_][A-Za-z0-9_]*)[\'\"]$ || $last =~ UndefinedValueError:\ ([A-Za-z_][A-Za-z0-9_]*)\ not\ found ||
    $last =~ ImproperlyConfigured:\ Set\ the\ ([A-Za-z_][A-Za-z0-9_]*)\ environment ]] && [[ ! -f $ENV_DIR/${BASH_REMATCH[1]} ]]; then
    hints+=("The settings ask for ${BASH_REMATCH[1]}, which is not set: heroku config:set ${BASH_REMATCH[1]}=...")
  elif [[ $last == *STATIC_ROOT* ]]; then
    hints+=("The settings need STATIC_ROOT, the folder to collect into: STATIC_ROOT = BASE_DIR / 'staticfiles'")
  elif [[ $last == ModuleNotFoundError:* ]]; then
    hints+=("A module is missing: it is misspelled, or its package is not among those of the app. ${last#*: }")
  elif [[ $last == *'could not be found'* || $last == *'The CSS file'* ]]; then
    hints+=('A stylesheet names a file that is not there; the words above tell which.')
  elif [[ $last == SyntaxError:* ]]; then
    hints+=("Some code is not Python $PYTHON_VERSION; the words above tell where.")
  fi
  if [[ $(config_var DEBUG_COLLECTSTATIC || echo 0) == 1 ]]; then
    hints+=("Config vars that were set: $(ls "$ENV_DIR" | paste -sd' ')")
  else
    hints+=('To see which config vars were set: heroku config:set DEBUG_COLLECTSTATIC=1')
  fi
  fail 'Unable to generate Django static files.' "The 'python $manage collectstatic --noinput' command failed; its traceback is above." \
    "${hints[@]}" 'If the app needs no collected files: heroku config:set DISABLE_COLLECTSTATIC=1'
}
