# Which main packages are built, and building them into bin/.

choose_packages() {
  # The compiler's cache then serves any folder: the app's is another in each build.
  FLAGS=(-trimpath -tags heroku)
  local spec
  spec=${GO_INSTALL_PACKAGE_SPEC:-$(heroku_comment install)}
  if [[ -f vendor/modules.txt ]]; then
    FLAGS+=(-mod=vendor)
    detail 'Using the modules in vendor/'
  else
    ask_proxy_for_new_modules
  fi
  if [[ -n ${GO_LINKER_SYMBOL:-} ]]; then
    FLAGS+=(-ldflags "-X $GO_LINKER_SYMBOL=${GO_LINKER_VALUE:-${SOURCE_VERSION:-}}")
  fi
  if [[ -n $spec ]]; then
    read -ra PACKAGES <<<"$spec"
    detail "Packages to install: ${PACKAGES[*]}"
    return
  fi
  find_main_packages
}

# What is in the module cache is not asked for again.
ask_proxy_for_new_modules() {
  local sum
  [[ -s go.sum ]] || return 0
  sum=$(cat go.mod go.sum | sha256sum)
  [[ $(cat "$CACHE_DIR/modules-of" 2>/dev/null) != "$sum" ]] || return 0
  ask_proxy
  MODULES_OF=$sum
}

find_main_packages() {
  local list
  if ! list=$(go list -find "${FLAGS[@]}" -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./... 2>"$WORK/words"); then
    indent <"$WORK/words"
    explain "$WORK/words" 'The packages of this module could not be listed; the words of go are above.'
  fi
  mapfile -t PACKAGES < <(sed '/^$/d' <<<"$list")
  ((${#PACKAGES[@]})) || fail 'This module has no main package, so there is nothing to run.' \
    'A program begins with `package main` and has a function main.'
  detail "Detected main packages: ${PACKAGES[*]}"
}

install_packages() {
  local shown="${FLAGS[*]}"
  step "Running: go install -v $shown ${PACKAGES[*]}"
  # Shown without the standard library's packages, of which there are many.
  go install -v "${FLAGS[@]}" "${PACKAGES[@]}" 2>&1 | tee "$WORK/words" | sed -uE '/^(vendor\/)?[a-z0-9]+(\/[A-Za-z0-9_.]+)*$/d' | indent ||
    explain "$WORK/words" 'go install failed; its words are above.'
  [[ -z ${MODULES_OF:-} ]] || printf '%s\n' "$MODULES_OF" >"$CACHE_DIR/modules-of"
  [[ ! -e bin || -d bin ]] || fail 'The file bin is where the folder of the built programs must be. Rename it.'
  mkdir -p bin
  BUILT=()
  local program
  for program in "$WORK/bin"/*; do
    [[ -f $program ]] || continue
    BUILT+=("${program##*/}")
    mv -f "$program" bin/
  done
}

# Ends the build with $2, and what to do about the words in the file $1.
explain() {
  local hints=()
  grep -qE 'inconsistent vendoring|is explicitly required in go.mod, but not marked' "$1" &&
    hints+=('vendor/ does not fit go.mod: run `go mod vendor`, and commit what it changes.')
  grep -qE 'missing go.sum entry|updates to go.mod needed|no required module provides' "$1" &&
    hints+=('go.mod or go.sum is not complete: run `go mod tidy`, and commit both.')
  grep -qE 'could not read Username|terminal prompts disabled|Authentication failed' "$1" &&
    hints+=('A private module? Set GOPRIVATE to its host, and GO_GIT_CRED__HTTPS__HOST to name:token (dots of the host as __).')
  grep -qE 'go.mod requires go >=' "$1" &&
    hints+=("An older Go was asked for than go.mod allows: remove '+heroku goVersion' and GOVERSION, or make them newer.")
  grep -qE '(cgo: C compiler|[a-z_]+\.h: No such file or directory)' "$1" &&
    hints+=('A C library that the stack lacks is needed; with CGO_ENABLED=0 many modules do without: heroku config:set CGO_ENABLED=0')
  fail "$2" "${hints[@]}"
}

# One program is the web process; of several each has its own name.
write_procfile() {
  [[ ! -f Procfile && ${#BUILT[@]} -gt 0 ]] || return 0
  if ((${#BUILT[@]} == 1)); then
    echo "web: bin/${BUILT[0]}" >Procfile
  else
    printf '%s\n' "${BUILT[@]}" | sed 's/.*/&: bin\/&/' >Procfile
  fi
  detail 'There is no Procfile, so one was made:'
  indent <Procfile
  grep -q '^web:' Procfile ||
    problem 'No web process: none of the programs is named web, so none answers requests. Add a Procfile that names one.'
}
