# Runs inside the build dyno as its user: unpacks the source from stdin, finds
# and runs the buildpacks, and reports to the server in files of $REPORT_DIR.
# What is printed here is what the user reads. Nothing in here is trusted by
# the server: the app's own code runs beside it under the same user.
#
# $1: the folder with this script and the plan.

set -u
DRIVER_DIR="$1"
# shellcheck disable=SC1090,SC1091
source "$DRIVER_DIR/plan"

report() { local IFS=$'\t'; printf '%s\n' "$*" >>"$REPORT_DIR/events"; }
step() { printf -- '-----> %s\n' "$*"; }
detail() { printf '       %s\n' "$*"; }
problem() { printf ' !     %s\n' "$*"; }

# The end of every failed build; the words before it differ.
push_failed() { printf '\n'; problem 'Push failed'; exit 1; }

unpack_source() {
  mkdir -p "$BUILD_DIR" "$CACHE_DIR"
  local unpacked="$BUILD_DIR"
  [[ $TOP_FOLDER == maybe ]] && unpacked="$BUILD_DIR.archive" && mkdir "$unpacked"
  # shellcheck disable=SC2086
  if ! tar --extract --file=- $TAR_OPTION --directory="$unpacked" --no-same-owner 2>"$REPORT_DIR/tar-words"; then
    problem 'The source is not a tar archive that can be unpacked. tar says:'
    head -c 2000 "$REPORT_DIR/tar-words" | head -n 10 | while IFS= read -r line; do problem "$line"; done
    printf '\n'
    problem 'Push rejected, the source could not be unpacked.'
    report failed source
    push_failed
  fi
  cat >/dev/null   # what follows the archive's end, so that the sender is not cut off
  [[ $TOP_FOLDER == maybe ]] && take_top_folder "$unpacked"
  rm -rf "$BUILD_DIR/.git"
}

# The archive's only entry, if it is a folder, is the app (as in the archives
# that code hosts offer); else the archive itself is.
take_top_folder() {
  local unpacked="$1" entries
  shopt -s nullglob dotglob
  entries=("$unpacked"/*)
  shopt -u nullglob dotglob
  rmdir "$BUILD_DIR"
  if ((${#entries[@]} == 1)) && [[ -d ${entries[0]} && ! -L ${entries[0]} ]]; then
    mv "${entries[0]}" "$BUILD_DIR"
    rmdir "$unpacked"
  else
    mv "$unpacked" "$BUILD_DIR"
  fi
}

# Patterns as in .gitignore, but without `!`: one with a slash counts from the
# root, one without at any depth.
apply_slugignore() {
  [[ -f $BUILD_DIR/.slugignore ]] || return 0
  local line pattern found=() all=()
  while IFS= read -r line || [[ -n $line ]]; do
    line="${line%$'\r'}"
    pattern="${line#"${line%%[![:space:]]*}"}"
    pattern="${pattern%"${pattern##*[![:space:]]}"}"
    [[ -z $pattern || $pattern == \#* ]] && continue
    if [[ $pattern == !* ]]; then
      problem "Warning: .slugignore knows no exceptions, so this line is passed over: $pattern"
      continue
    fi
    if [[ "/$pattern/" == */../* ]]; then
      problem "Warning: this line of .slugignore leads out of the app, so it is passed over: $pattern"
      continue
    fi
    pattern="${pattern%/}"
    if [[ $pattern == */* ]]; then
      found=()
      # Relative, so that the glob is the pattern alone.
      mapfile -d '' -t found < <(cd "$BUILD_DIR" && shopt -s globstar nullglob dotglob && IFS= &&
        for path in ${pattern#/}; do printf '%s\0' "$path"; done)
    else
      mapfile -d '' -t found < <(cd "$BUILD_DIR" && find . -mindepth 1 -name "$pattern" -prune -printf '%P\0')
    fi
    all+=("${found[@]}")
  done <"$BUILD_DIR/.slugignore"
  ((${#all[@]})) || return 0
  local count
  count=$(cd "$BUILD_DIR" && printf '%s\0' "${all[@]}" | sort -zu |
    while IFS= read -r -d '' path; do [[ -e $path || -L $path ]] && find "./$path" ! -type d -printf x; done | wc -c)
  step "Deleting $count files matching .slugignore patterns."
  (cd "$BUILD_DIR" && printf './%s\0' "${all[@]}" | xargs -0 rm -rf --)
}

# Puts the folder of the buildpack number $1 into FOLDER: a private copy, since
# buildpacks write into their own folder.
bring() {
  local shown="${CHOSEN[$1]}" place="${PLACES[$1]}"
  FOLDER="$BUILDPACKS_DIR/chosen-$1"
  case "${KINDS[$1]}" in
    built-in) FOLDER="$BUILDPACKS_DIR/$place" ;;
    inline) bring_inline ;;
    app) [[ -d $BUILD_DIR/$place ]] && cp -a "$BUILD_DIR/$place/." "$FOLDER" || no_such_folder "$shown" ;;
    pack) unpack_pack "$DRIVER_DIR/$place" "${COMMITS[$1]}" 2>"$REPORT_DIR/unpack-words" || broken "$shown" ;;
    archive) unpack_archive "$DRIVER_DIR/$place" 2>"$REPORT_DIR/unpack-words" || broken "$shown" ;;
  esac
  check_whole "$shown" "${KINDS[$1]}"
}

# The app's own scripts, run where they lie, as Heroku's inline buildpack does.
bring_inline() {
  local script
  mkdir -p "$FOLDER/bin"
  for script in detect compile release; do
    [[ -f $BUILD_DIR/bin/$script ]] || continue
    chmod -f 0755 "$BUILD_DIR/bin/$script"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec "$1/bin/%s" "$@"\n' "$script" >"$FOLDER/bin/$script"
  done
}

# Git checks that the content is what the commit's id stands for.
unpack_pack() (
  export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
  git init --quiet --template= "$FOLDER" &&
    git -C "$FOLDER" index-pack --stdin <"$1" >/dev/null &&
    printf '%s\n' "$2" >"$FOLDER/.git/shallow" &&
    git -C "$FOLDER" checkout --quiet --force --detach "$2" &&
    rm -rf "$FOLDER/.git"
)

# The buildpack lies at the top, or in the one folder that is there.
unpack_archive() {
  mkdir "$FOLDER" && tar --extract --file="$1" --directory="$FOLDER" --no-same-owner || return 1
  local inside=("$FOLDER"/*/bin)
  if [[ ! -d $FOLDER/bin && ${#inside[@]} == 1 && -d ${inside[0]} ]]; then FOLDER="${inside[0]%/bin}"; fi
}

check_whole() {
  local script missing=()
  for script in detect compile; do [[ -f $FOLDER/bin/$script ]] || missing+=("bin/$script"); done
  [[ ! -f $FOLDER/.gitmodules ]] || problem "Warning: the buildpack $1 has submodules, which are not fetched."
  ((${#missing[@]})) || return 0
  if [[ $2 == inline ]]; then
    problem "The buildpack $1 runs the app's own bin/detect and bin/compile, and the app has no ${missing[*]}."
  else
    problem "What $1 names is no buildpack: it has no ${missing[*]}."
    local entries
    entries=$(cd "$FOLDER" && ls -A | head -n 20 | paste -sd' ')
    problem "At its top are: ${entries:-no files}"
    if [[ -f $FOLDER/bin/build || -f $FOLDER/buildpack.toml ]]; then
      problem 'It seems to be a Cloud Native Buildpack; builds on this stack run classic ones.'
    fi
  fi
  report failed no-such-buildpack "$1"
  push_failed
}

no_such_folder() {
  problem "The app has no folder $1, so there is no such buildpack."
  report failed no-such-buildpack "$1"
  push_failed
}

broken() {
  problem "The buildpack $1 was fetched, but can't be unpacked:"
  head -c 2000 "$REPORT_DIR/unpack-words" | head -n 10 | while IFS= read -r line; do problem "$line"; done
  problem 'It is fetched anew by the next build.'
  report failed broken-buildpack "$1"
  push_failed
}

# Runs script $2 of the buildpack in folder $1, with the exports of the
# buildpacks before it, in a shell of its own: whatever they export or define
# ends with it.
EXPORTS=()
run_script() {
  local folder="$1" script="$2"
  shift 2
  (
    cd "$BUILD_DIR" || exit 1
    set +u
    for exported in "${EXPORTS[@]}"; do
      # shellcheck disable=SC1090
      source "$exported"
    done
    exec "$folder/bin/$script" "$@"
  )
}

repair_bits() { chmod -f 0755 "$1"/bin/* || true; }

# Whether the buildpack in $1, named as $2, takes the app; what it calls itself
# is then in NAME.
detects() {
  repair_bits "$1"
  NAME=$(run_script "$1" detect "$BUILD_DIR" </dev/null 2>"$REPORT_DIR/detect-words") || return 1
  NAME="${NAME#"${NAME%%[![:space:]]*}"}"
  NAME="${NAME%"${NAME##*[![:space:]]}"}"
  NAME="${NAME//[$'\n\t']/ }"
  NAME="${NAME:-$(basename "$2")}"
}

detect_automatically() {
  step 'Determining which buildpack to use for this app'
  report automatic
  local reference names=()
  for reference in "${LANGUAGES[@]}"; do
    if detects "$BUILDPACKS_DIR/${reference#heroku/}" "$reference"; then
      names+=("$NAME")
      CHOSEN+=("$reference")
    fi
  done
  if ((${#names[@]} > 1)); then
    problem 'Warning: Multiple default buildpacks reported the ability to handle this app. The first buildpack in the list below will be used.'
    local IFS=,
    printf '\t\t\tDetected buildpacks: %s\n' "${names[*]}"
    printf '\t\t\tSee https://devcenter.heroku.com/articles/buildpacks#buildpack-detect-order\n'
  fi
  if ((${#CHOSEN[@]} == 0)); then
    for reference in "${FALLBACKS[@]}"; do
      if detects "$BUILDPACKS_DIR/${reference#heroku/}" "$reference"; then
        CHOSEN=("$reference")
        break
      fi
    done
  fi
  ((${#CHOSEN[@]})) || nothing_detected
  CHOSEN=("${CHOSEN[0]}")
  KINDS=(built-in) PLACES=("${CHOSEN[0]#heroku/}")
}

nothing_detected() {
  problem 'No default language could be detected for this app.'
  printf '\t\t\tHINT: This occurs when Heroku cannot detect the buildpack to use for this application automatically.\n'
  printf '\t\t\tSee https://devcenter.heroku.com/articles/buildpacks\n'
  printf '\n'
  detail 'Looked for, at the root of the app:'
  detail '  package.json                            (Node.js)'
  detail '  requirements.txt, pyproject.toml, ...   (Python)'
  detail '  go.mod                                  (Go)'
  detail '  index.html, static.json, .static        (static site)'
  detail '  Procfile                                (runs what it says)'
  local entries
  entries=$(cd "$BUILD_DIR" && ls -A | head -n 20 | paste -sd' ')
  detail "Found there: ${entries:-nothing at all}"
  report failed nothing-detected
  push_failed
}

# The list in the app's own .buildpacks counts if none is set. The server brings
# what it names, and begins anew with the unpacked source.
hand_over_list() {
  [[ -f $BUILD_DIR/.buildpacks ]] || return 0
  local line listed=0
  while IFS= read -r line || [[ -n $line ]]; do
    read -r line _ <<<"${line%$'\r'}"
    [[ -z $line || $line == \#* ]] || { report listed "$line"; listed=1; }
  done < <(head -c 32768 "$BUILD_DIR/.buildpacks")
  ((listed)) && exit 0
  return 0
}

show_chosen() {
  if ((${#CHOSEN[@]} == 1)); then
    step "Using buildpack: ${CHOSEN[0]}"
  else
    step 'Using buildpacks:'
    local index
    for index in "${!CHOSEN[@]}"; do
      detail "$((index + 1)). ${CHOSEN[index]}"
    done
  fi
  ((${#WORDS[@]} == 0)) || printf '%s\n' "${WORDS[@]}"
}

not_compatible() {
  step "App not compatible with buildpack: $1"
  printf '%s\n' "$NAME" | head -c 10000
  head -c 10000 "$REPORT_DIR/detect-words"
  printf '\n'
  detail 'More info: https://devcenter.heroku.com/articles/buildpacks#buildpack-auto-detection'
  report failed not-compatible "$1"
  push_failed
}

compile() {
  local folder="$1"
  if ! run_script "$folder" compile "$BUILD_DIR" "$CACHE_DIR" "$ENV_DIR" </dev/null 2>&1; then
    problem "Push rejected, failed to compile $NAME app."
    report failed compile "$NAME"
    push_failed
  fi
  [[ -f $folder/export ]] && EXPORTS+=("$folder/export")
  return 0
}

# Of the last buildpack, and without the exports: Heroku's rule.
default_process_types() {
  EXPORTS=()
  [[ -f $FOLDER/bin/release ]] || return 0
  run_script "$FOLDER" release "$BUILD_DIR" </dev/null 2>"$REPORT_DIR/release-words" |
    head -c 100000 >"$REPORT_DIR/release.yml"
  local status=${PIPESTATUS[0]}
  ((status == 0)) && return 0
  problem "Warning: bin/release of $NAME ended with status $status; it says:"
  head -c 2000 "$REPORT_DIR/release-words" | head -n 10 | while IFS= read -r line; do problem "$line"; done
}

main() {
  if [[ $SOURCE == archive ]]; then
    unpack_source
    step "Building on the $STACK_TITLE stack"
    apply_slugignore
    ((${#CHOSEN[@]})) || hand_over_list
  fi
  if ((${#CHOSEN[@]})); then
    show_chosen
  else
    detect_automatically
  fi
  local index reference
  for index in "${!CHOSEN[@]}"; do
    reference="${CHOSEN[index]}"
    bring "$index"
    detects "$FOLDER" "$reference" || not_compatible "$reference"
    step "$NAME app detected"
    report buildpack "$reference" "$NAME"
    compile "$FOLDER"
  done
  default_process_types
  report done
}

main
exit 0
