# Which Python the app asks for, and where that is written.

# Prints the lines of file $1 that say something, without blanks.
lines_that_count() { sed -E 's/[[:space:]]//g; /^(#|$)/d' "$1"; }

# Sets ASKED and ASKED_BY; both are empty if nothing is asked for.
# Heroku's order: runtime.txt, .python-version, Pipfile.lock.
read_asked_version() {
  ASKED='' ASKED_BY=''
  if [[ -f runtime.txt ]]; then
    [[ $MANAGER != uv ]] || fail "uv reads the Python version from .python-version, not from runtime.txt." \
      'Delete runtime.txt, run `uv python pin VERSION`, and commit the file .python-version that it writes.'
    ASKED_BY=runtime.txt
    ASKED=$(lines_that_count runtime.txt)
    [[ $ASKED == python-* ]] || fail_version
    ASKED=${ASKED#python-}
  elif [[ -f .python-version ]]; then
    ASKED_BY=.python-version
    ASKED=$(lines_that_count .python-version)
  elif [[ -f Pipfile.lock ]]; then
    ASKED=$(jq -r '._meta.requires | .python_full_version // .python_version // ""' Pipfile.lock 2>&1) ||
      fail "Pipfile.lock can't be read: $ASKED" 'Run `pipenv lock`, and commit what it writes.'
    [[ -z $ASKED ]] || ASKED_BY=Pipfile.lock
  fi
  [[ -z $ASKED_BY || $ASKED =~ ^3(\.[0-9]+){0,2}$ ]] || fail_version
  if [[ -z $ASKED_BY && $MANAGER == uv ]]; then
    fail 'No Python version was specified, and with uv one must be.' \
      "Run \`uv python pin ${STACK_VERSION%.*}\`, and commit the file .python-version that it writes."
  fi
}

fail_version() {
  local found example=${STACK_VERSION%.*}
  found=$(printf '%.60s' "${ASKED//$'\n'/, }")
  [[ $ASKED_BY == runtime.txt ]] && example="python-$example"
  fail "The file $ASKED_BY does not name one Python version: ${found:-it is empty}" "Write one line, for example: $example"
}

# Sets PYTHON, the command, and PYTHON_VERSION, which is exact.
choose_python() {
  PYTHON=$STACK_PYTHON PYTHON_VERSION=$STACK_VERSION
  local have=${STACK_VERSION%.*} minor suite
  read_asked_version
  if [[ -z $ASKED ]]; then
    step "No Python version was specified. Using the stack's: Python $STACK_VERSION"
    detail "To say which one the app needs, write for example $have into a file .python-version."
    return
  fi
  minor=$(cut -d. -f1,2 <<<"$ASKED")
  if [[ $minor == 3 || $minor == "$have" ]]; then
    step "Using Python $PYTHON_VERSION ($ASKED_BY asks for $ASKED)"
  elif suite=$(suite_of "$minor"); then
    step "Using Python $minor ($ASKED_BY asks for $ASKED)"
    use_python_of "$minor" "$suite"
    detail "It is $PYTHON_VERSION, of Debian $suite; $have, which the stack has, would need no download."
  else
    fail "Python $ASKED, which $ASKED_BY asks for, can't be had on this stack ($STACK)." \
      "It has Python $STACK_VERSION, and can get $OTHER_PYTHONS. $(how_to_ask_for "$have")"
  fi
  if [[ $ASKED == *.*.* && $ASKED != "$PYTHON_VERSION" ]]; then
    detail "There is $PYTHON_VERSION, which takes the place of $ASKED: patch releases are compatible."
  fi
  if [[ $ASKED_BY == runtime.txt ]]; then
    problem "Warning: runtime.txt is deprecated. Write $minor into a file .python-version instead."
  fi
}

how_to_ask_for() {
  case "$ASKED_BY" in
    Pipfile.lock) echo "Change python_version in the Pipfile to $1, run \`pipenv lock\`, and commit both." ;;
    runtime.txt) echo "Delete runtime.txt, and write $1 into a file .python-version." ;;
    *) echo "Change $ASKED_BY to $1." ;;
  esac
}
