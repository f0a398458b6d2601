# Which package manager the app uses, and how that manager is had.

# Sets MANAGER to pip, pipenv, poetry or uv, and PACKAGE_FILES to the files
# that decide which packages there are. More than one manager is refused, as
# on Heroku: nobody could tell whose versions run.
choose_manager() {
  local found=()
  if [[ -f Pipfile && ! -f Pipfile.lock ]]; then
    fail 'There is a Pipfile, but no Pipfile.lock, so the versions of the packages are not fixed.' \
      'Run `pipenv lock`, and commit the Pipfile.lock that it writes.' \
      'If the app does not use pipenv, delete the Pipfile.'
  fi
  [[ -f Pipfile.lock ]] && found+=('Pipfile.lock (pipenv)')
  [[ -f requirements.txt ]] && found+=('requirements.txt (pip)')
  [[ -f poetry.lock ]] && found+=('poetry.lock (poetry)')
  [[ -f uv.lock ]] && found+=('uv.lock (uv)')
  if ((${#found[@]} > 1)); then
    fail 'Multiple Python package manager files were found, and only one may be there:' "${found[@]/#/  }" \
      'Decide which one the app is to use, and delete the files of the others from git.'
  fi
  ((${#found[@]})) || fail_without_manager
  case "${found[0]}" in
    requirements*) MANAGER=pip PACKAGE_FILES=(requirements*.txt) ;;
    Pipfile*) MANAGER=pipenv PACKAGE_FILES=(Pipfile Pipfile.lock) ;;
    poetry*) MANAGER=poetry PACKAGE_FILES=(pyproject.toml poetry.lock poetry.toml) ;;
    uv*) MANAGER=uv PACKAGE_FILES=(pyproject.toml uv.lock uv.toml) ;;
  esac
}

fail_without_manager() {
  local hint='If the app needs no packages, commit an empty requirements.txt.'
  [[ -f pyproject.toml ]] && hint='There is a pyproject.toml: run `uv lock` (or `poetry lock`), and commit the lockfile that it writes.'
  [[ -f setup.py ]] && hint='There is a setup.py: to install the app by it, commit a requirements.txt with the line: --editable .'
  local entries
  entries=$(ls -A | grep -vx .heroku | head -n 20 | paste -sd' ')
  fail "No Python package manager file was found. One of these must be at the root of the app:" \
    '  requirements.txt, Pipfile.lock, poetry.lock or uv.lock' "$hint" "Found there: $entries"
}

# Installs the manager into the cache, once per version, and puts it on the
# PATH. It has a folder of its own, so that it never mixes with the app.
have_manager() {
  local pinned="$BUILDPACK_DIR/requirements/$MANAGER.txt" folder version
  version=$(sed -nE "s/^$MANAGER==//p" "$pinned")
  folder="$CACHE_DIR/python-tools/$MANAGER-$version-$PYTHON_VERSION"
  if [[ -f $folder/.whole ]]; then
    step "Using cached $MANAGER $version"
  else
    step "Installing $MANAGER $version"
    rm -rf "$CACHE_DIR/python-tools"
    mkdir -p "$folder"
    ask_index
    "$PYTHON" -m venv --without-pip "$folder/venv"
    # Poetry's and pipenv's scripts alone are to be on the PATH.
    if ! pip_into "$folder/venv" --quiet --requirement "$pinned" 2>&1 | indent; then
      fail "$MANAGER $version could not be installed from the package index; pip's words are above."
    fi
    mkdir "$folder/bin"
    ln -s "../venv/bin/$MANAGER" "$folder/bin/$MANAGER"
    touch "$folder/.whole"
  fi
  export PATH="$folder/bin:$PATH"
}

# The stack's pip installs into the virtual environment $1.
pip_into() {
  local environment="$1"
  shift
  "$STACK_PYTHON" -m pip --python "$environment/bin/python" install --no-compile --no-warn-script-location "$@"
}

# Fails within seconds if the package index can't be reached: pip alone would
# try for minutes.
ask_index() {
  [[ -z ${INDEX_ANSWERS:-} && -z ${PIP_NO_INDEX:-}${PIP_FIND_LINKS:-} ]] || return 0
  local index=${PIP_INDEX_URL:-} words
  [[ -n $index ]] || index=$("$STACK_PYTHON" -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')
  if ! words=$(curl --silent --show-error --output /dev/null --connect-timeout 5 --max-time 15 --head "$index" 2>&1); then
    fail "The package index can't be reached: $(sed -E 's#(://)[^/@]*@#\1#' <<<"$index")" "$words" \
      'The operator sets PIP_INDEX_URL to another index, or HTTPS_PROXY, for the server (see its configuration).'
  fi
  INDEX_ANSWERS=yes
}
