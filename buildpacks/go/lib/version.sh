# Which Go the app asks for. The stack's own go command fetches other ones from
# the module proxy.

# What go.mod says of itself in comments of the form `// +heroku NAME VALUE`.
heroku_comment() { sed -nE "s/^[[:space:]]*\/\/[[:space:]]*\+heroku[[:space:]]+$1[[:space:]]+(.*)$/\1/p" go.mod | head -n 1 | tr -d '\r'; }
line_of() { sed -nE "s/^[[:space:]]*$1[[:space:]]+([^[:space:]]+).*$/\1/p" go.mod | head -n 1 | tr -d '\r'; }
newer_or_same() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]; }

choose_version() {
  local asked by exact=yes have version
  have=$(go env GOVERSION)
  have=${have#go}
  have=${have%% *}
  if [[ -n ${GOVERSION:-} ]]; then
    asked=$GOVERSION by='config var GOVERSION'
  elif asked=$(heroku_comment goVersion) && [[ -n $asked ]]; then
    by='+heroku goVersion in go.mod'
  elif asked=$(line_of toolchain) && [[ -n $asked && $asked != default ]]; then
    by='toolchain line of go.mod' exact=
  elif asked=$(line_of go) && [[ -n $asked ]]; then
    by='go line of go.mod' exact=
  else
    step "Using go$have of the stack (go.mod asks for no version)"
    return
  fi
  asked=${asked%% *}
  asked=${asked#go}
  [[ $asked =~ ^1\.[0-9]+(\.[0-9]+|rc[0-9]+|beta[0-9]+)?$ ]] ||
    fail "The $by does not name a Go version: $(printf '%.60s' "$asked")" 'Write for example: go1.25'
  # The go line is the least that the module needs; a newer Go keeps to its rules.
  if [[ -z $exact ]] && newer_or_same "$have" "$asked" || [[ $have == "$asked" || ${have%.*} == "$asked" ]]; then
    step "Using go$have of the stack ($by: $asked)"
    return
  fi
  newer_or_same "${asked%%[a-z]*}" 1.14 ||
    fail "Go $asked, which the $by asks for, is too old to build modules as they are today." 'Ask for 1.14 or a newer one, for example: go1.25'
  version=$asked
  [[ ! $asked =~ ^1\.[0-9]+$ ]] || version=$(newest_patch "$asked" "$by")
  step "Using go$version ($by: $asked)"
  fetch_toolchain "$version"
}

# Prints the newest release of Go $1. The module proxy is asked once a day; if
# it does not answer, what it last said holds on.
newest_patch() {
  local known="$CACHE_DIR/newest-$1" newest
  if [[ -z $(find "$known" -mmin -1440 2>/dev/null) ]]; then
    [[ -f $known ]] || ask_proxy >&2
    newest=$(cd / && timeout 30 go list -m -versions go 2>"$WORK/words" | tr ' ' '\n' | grep -E "^${1//./\\.}(\.[0-9]+)?$" | sort -V | tail -n 1) || true
    [[ -z $newest ]] || printf '%s\n' "$newest" >"$known"
  fi
  [[ -f $known ]] || fail "No release of Go $1, which the $2 asks for, is known to the module proxy." "$(head -n 2 "$WORK/words")" >&2
  cat "$known"
}

# Toolchains are modules: their checksums are checked as those of all others.
fetch_toolchain() {
  export GOTOOLCHAIN="go$1"
  prune_toolchains "$1"
  if ! compgen -G "$GOMODCACHE/golang.org/toolchain@*-go$1.*" >/dev/null; then
    ask_proxy
    detail "Fetching go$1 from the module proxy"
  fi
  go version 2>&1 >/dev/null | indent ||
    fail "Go $1 could not be fetched from the module proxy; its words are above." 'Does that version exist? All are listed at go.dev/dl.'
}

# One toolchain is kept: each takes some 200 MB.
prune_toolchains() {
  local folder
  for folder in "$GOMODCACHE"/golang.org/toolchain@*; do
    [[ -d $folder && $folder != *"-go$1."* ]] || continue
    chmod -R u+w "$folder"
    rm -rf "$folder"
  done
}

# To be called when the build is at its end: the less is kept, the sooner the
# next one begins. Archives are of no use once they are unpacked (their checksums
# stay), nor are a toolchain's own sources and tests.
tidy_modules() {
  local toolchain
  find "$GOMODCACHE/cache/download" -name '*.zip' -delete 2>/dev/null || true
  for toolchain in "$GOMODCACHE"/golang.org/toolchain@*; do
    [[ -d $toolchain/src/cmd ]] || continue
    chmod -R u+w "$toolchain"
    rm -rf "$toolchain/src/cmd" "$toolchain/test" "$toolchain/api"
    find "$toolchain/src" \( -name testdata -o -name '*_test.go' \) -prune -exec rm -rf {} +
  done
}
