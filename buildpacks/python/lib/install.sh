# Installs the app's packages into the virtual environment, or takes them from
# the cache if nothing that decides about them has changed.

# All that decides which packages there are. Without volatile values.
packages_key() {
  {
    printf '%s|' "$STACK" "$PYTHON_VERSION" "$MANAGER" "$(cat "$BUILDPACK_DIR/requirements/$MANAGER.txt" 2>/dev/null)"
    env | grep -E '^(PIP|UV)_[A-Z_]*(INDEX|FIND_LINKS|BINARY)' | sort || true
    cat -- "${PACKAGE_FILES[@]}" 2>/dev/null || true
  } | sha256sum | cut -d' ' -f1
}
# A new environment is made if this changes.
base_key() { printf '%s|' "$STACK" "$PYTHON_VERSION" "$MANAGER" | sha256sum | cut -d' ' -f1; }

# Whether unchanged files mean unchanged packages: they don't if one of them is
# made of the app's own files, or is fetched from a place that moves.
packages_are_fixed() {
  case "$MANAGER" in
    pip)
      ! sed -E 's/[[:space:]]--hash=.*$//; s/\\$//' requirements.txt |
        grep -qE '^[[:space:]]*(-|\.|/|[^#[:space:]]+[[:space:]]*@|[^#[:space:]]*(://|/))'
      ;;
    pipenv) ! grep -qE '"(path|file|editable)":' Pipfile.lock ;;
    poetry) ! grep -qE '^type = "(directory|file)"' poetry.lock ;;
    uv) ! grep -qE '^source = \{ (directory|path) =|^source = \{ editable = "[^."]|^source = \{ editable = "\.[^"]' uv.lock ;;
  esac
}

install_packages() {
  export PIP_CACHE_DIR="$CACHE_DIR/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_DEFAULT_TIMEOUT=30 PIP_RETRIES=3
  export PYTHONUNBUFFERED=1 LANG=C.UTF-8
  local key
  key=$(packages_key)
  if restore_packages "$key" && packages_are_fixed; then
    step "Using cached install of the packages: $(paste -sd' ' <<<"$FILES_SHOWN") is unchanged"
    use_environment
    return
  fi
  rm -f "$CACHE_DIR/python-key"
  [[ $MANAGER == pip ]] || have_manager
  use_environment
  "install_with_$MANAGER"
  # Compiled once, and checked by nothing: the files' times change later.
  python -m compileall -q --invalidation-mode unchecked-hash -j 2 "$FINAL_DIR/lib" >/dev/null 2>&1 || true
  KEY_TO_KEEP=$key
}

# Takes the environment out of the cache, or makes a new one. Succeeds if its
# packages are those of the key $1.
restore_packages() {
  local kept
  kept=$(cat "$CACHE_DIR/python-key" 2>/dev/null || true)
  FILES_SHOWN=$(ls -- "${PACKAGE_FILES[@]}" 2>/dev/null | grep -E 'lock$|requirements.txt' || true)
  # Of all managers uv alone takes away what is no longer wanted; the others
  # begin anew if anything has changed.
  if [[ -d $CACHE_DIR/python && ($kept == "$1 "* || $MANAGER == uv && $kept == *" $(base_key)") ]]; then
    cp -al "$CACHE_DIR/python" .heroku/python
    name_paths /app "$BUILD_DIR"
    [[ $kept == "$1 "* ]]
    return
  fi
  local flags=()
  # uv needs no pip, which takes the longest of all.
  [[ $MANAGER == uv ]] && flags=(--without-pip)
  "$PYTHON" -m venv "${flags[@]}" "$FINAL_DIR" 2>&1 | indent || fail 'The virtual environment could not be made; the words of Python are above.'
  return 1
}

use_environment() { export PATH="$FINAL_DIR/bin:$PATH" VIRTUAL_ENV="$FINAL_DIR"; }

# To be called when the build is at its end.
keep_packages() {
  name_paths "$BUILD_DIR" /app
  [[ -n ${KEY_TO_KEEP:-} ]] || return 0
  rm -rf "$CACHE_DIR/python"
  cp -al .heroku/python "$CACHE_DIR/python"
  printf '%s %s\n' "$KEY_TO_KEEP" "$(base_key)" >"$CACHE_DIR/python-key"
}

# Editable packages are named by paths of the app, which lies at $1 when the
# build begins or ends, and at $2 afterwards.
name_paths() {
  find .heroku/python/lib -type f \( -name '*.pth' -o -name '*.egg-link' -o -name '__editable__*_finder.py' \) \
    -exec grep -lF -- "$1" {} + 2>/dev/null |
    while IFS= read -r file; do sed -i -E "s#$1(/|['\"]|\$)#$2\1#g" "$file"; done || true
}

fail_install() {
  fail "$1 could not install the packages; its words are above." \
    'A package that has to be compiled may lack a library of the system.'
}

install_with_pip() {
  step "Installing requirements with pip ($(pip --version | cut -d' ' -f1,2))"
  grep -qE '^[[:space:]]*[^#[:space:]]' requirements.txt || return 0
  ask_index
  pip install --no-compile --progress-bar off --exists-action w --src "$FINAL_DIR/src" --requirement requirements.txt 2>&1 | indent ||
    fail_install pip
}

install_with_pipenv() {
  step "Installing dependencies using 'pipenv sync'"
  "$STACK_PYTHON" "$BUILDPACK_DIR/lib/pipfile.py" 2>&1 | indent || fail 'Pipfile.lock does not fit the Pipfile.' \
    'Run `pipenv lock`, and commit the Pipfile.lock that it writes.'
  ask_index
  COLUMNS=200 PIPENV_NOSPIN=1 PIPENV_VERBOSITY=-1 PIPENV_CACHE_DIR="$CACHE_DIR/pip" PIP_SRC="$FINAL_DIR/src" \
    pipenv sync 2>&1 | indent || fail_install pipenv
}

# `poetry install` asks an interface of the public index that mirrors lack, so
# poetry says what is to be installed, and pip installs it.
install_with_poetry() {
  export POETRY_VIRTUALENVS_CREATE=false POETRY_NO_INTERACTION=1 POETRY_CACHE_DIR="$CACHE_DIR/poetry"
  step "Installing dependencies of poetry.lock with pip (group main)"
  local words list=/tmp/poetry-requirements.txt part
  if ! words=$(poetry run python -c '' 2>&1); then
    indent <<<"$words"
    fail "Python $PYTHON_VERSION does not fit pyproject.toml; poetry's words are above." \
      'Change the version there, or write another one into a file .python-version.'
  fi
  if ! words=$(poetry check --lock --no-ansi 2>&1); then
    indent <<<"$words"
    fail "poetry.lock does not fit pyproject.toml; poetry's words are above." \
      'Run `poetry lock`, and commit the poetry.lock that it writes.'
  fi
  poetry export --only main --with-credentials --no-ansi --output "$list" 2>&1 | indent || fail_install poetry
  ask_index
  # pip takes packages with a checksum and those without one (folders, git) only apart.
  awk -v out="$list" '/^--/ { print >(out ".with"); print >(out ".without"); next }
    /^ / || /\\$/ { print >(out ".with"); next } { print >(out ".without") }' "$list"
  for part in with without; do
    [[ ! -s $list.$part ]] || pip install --no-compile --no-deps --progress-bar off --src "$FINAL_DIR/src" --requirement "$list.$part" 2>&1 |
      indent || fail_install pip
  done
  # The app itself, if it is a package.
  grep -qE '^package-mode[[:space:]]*=[[:space:]]*false' pyproject.toml || poetry install --only-root --no-ansi 2>&1 | indent || fail_install poetry
}

install_with_uv() {
  export UV_PROJECT_ENVIRONMENT="$FINAL_DIR" UV_PYTHON_DOWNLOADS=never UV_NO_MANAGED_PYTHON=1 UV_NO_PROGRESS=1
  # On the environment's own disk, where files can be linked. Not kept: the environment is.
  export UV_LINK_MODE=hardlink UV_CACHE_DIR=/tmp/uv-cache
  ask_index
  if [[ -n ${PIP_INDEX_URL:-} ]]; then
    install_with_uv_from_mirror
    return
  fi
  step "Installing dependencies using 'uv sync --locked --no-default-groups'"
  uv sync --locked --no-default-groups 2>&1 | indent || fail "uv could not install the packages; its words are above."     'If it says that the lockfile needs to be updated: run `uv lock`, and commit the uv.lock that it writes.'
}

# The lockfile names the files of the public index; a mirror has the same
# files, known by their hashes, under other addresses.
install_with_uv_from_mirror() {
  local list=/tmp/uv-requirements.txt
  step 'Installing dependencies of uv.lock with uv, from the index of PIP_INDEX_URL'
  uv export --frozen --no-default-groups --no-header --quiet --output-file "$list" 2>&1 | indent || fail_install uv
  UV_DEFAULT_INDEX=$PIP_INDEX_URL uv pip sync "$list" 2>&1 | indent || fail_install uv
}
