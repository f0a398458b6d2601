# Config vars are files of $ENV_DIR; only the commands named here see them, and
# this script's own variables stay what they are.

# Names that would break the build or this buildpack, whatever an app means by them.
REFUSED_CONFIG_VARS='^(PATH|HOME|IFS|PWD|OLDPWD|SHELLOPTS|BASHOPTS|BASH_ENV|ENV|LANG|GIT_DIR|CPATH|CPPATH|LD_PRELOAD|LD_LIBRARY_PATH|LIBRARY_PATH|PYTHONHOME|VIRTUAL_ENV|BUILD_DIR|CACHE_DIR|ENV_DIR|STACK|DYNO|REQUEST_ID|SOURCE_VERSION)$'

# The value of the config var $1; fails if it isn't set.
config_var() {
  [[ -f $ENV_DIR/$1 ]] || return 1
  printf '%s' "$(<"$ENV_DIR/$1")"
}

# Runs a command with all config vars in its environment.
with_config_vars() {
  local file name pairs=()
  for file in "$ENV_DIR"/*; do
    name=${file##*/}
    [[ -f $file && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ && ! $name =~ $REFUSED_CONFIG_VARS ]] || continue
    pairs+=("$name=$(<"$file")")
  done
  env "${pairs[@]}" "$@"
}

# Of the config vars, installers get what says where packages are, and those
# that the app's own lists of packages name, such as ${TOKEN}.
export_installer_vars() {
  local file name named
  named=$(cat requirements*.txt Pipfile 2>/dev/null | grep -oE '\$\{[A-Z_][A-Z0-9_]*\}' | tr -d '${}' | sort -u || true)
  for file in "$ENV_DIR"/*; do
    name=${file##*/}
    [[ -f $file && ! $name =~ $REFUSED_CONFIG_VARS ]] || continue
    case "$name" in
      PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_TRUSTED_HOST | PIP_FIND_LINKS | PIP_NO_BINARY | PIP_ONLY_BINARY) ;;
      UV_INDEX | UV_DEFAULT_INDEX | UV_INDEX_*_USERNAME | UV_INDEX_*_PASSWORD | POETRY_HTTP_BASIC_*) ;;
      *) grep -qxF -- "$name" <<<"$named" || continue ;;
    esac
    export "$name=$(<"$file")"
  done
}
