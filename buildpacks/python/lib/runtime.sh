# Pythons that the stack lacks, from the packages of other Debian releases. They
# are unpacked into a folder of their own, not installed.

# Prints the Debian release that has Python $1 (such as 3.14).
suite_of() {
  case "$1" in
    3.11) echo bookworm ;;
    3.14) echo forky ;;
    *) return 1 ;;
  esac
}
OTHER_PYTHONS='3.11 and 3.14'
# A release under development gets newer ones: looked for once a week.
RUNTIME_MINUTES=$((7 * 24 * 60))

# Sets PYTHON and PYTHON_VERSION to the newest Python $1 of the release $2.
use_python_of() {
  local kept="$CACHE_DIR/python-runtime/$1"
  if [[ -z $(find "$kept/.whole" -mmin "-$RUNTIME_MINUTES" 2>/dev/null) ]]; then
    detail "Fetching Python $1 from the packages of Debian $2"
    if ! bash "$BUILDPACK_DIR/lib/fetch_python.sh" "$1" "$2" "$kept.new" 2>&1 | tail -n 5 | indent; then
      [[ -f $kept/.whole ]] || fail "Python $1 could not be fetched from Debian's packages; apt's words are above." \
        "The operator sets another mirror by RENGA_DEBIAN_MIRROR. The stack itself has Python $STACK_VERSION."
      problem "Warning: whether there is a newer Python $1 could not be found out; the one from the cache stays."
    else
      rm -rf "$CACHE_DIR/python-runtime"/*[0-9]
      mv "$kept.new" "$kept"
    fi
  fi
  cp -al "$kept" ".heroku/python-$1"
  PYTHON="/app/.heroku/python-$1/usr/bin/python$1"
  RUNTIME_FOLDER=".heroku/python-$1"
  # Its headers name each other by paths from here.
  export CPATH="/app/$RUNTIME_FOLDER/usr/include"
  PYTHON_VERSION=$("$PYTHON" -c 'import platform; print(platform.python_version())')
}
