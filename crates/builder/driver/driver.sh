# Runs inside the build dyno as its user: unpacks the source from stdin, finds
# and runs the buildpacks, and reports to the server in files of $REPORT_DIR.
# What is printed here is what the user reads. Nothing in here is trusted by
# the server: the app's own code runs beside it under the same user.
#
# $1: the folder with this script and the plan.

set -u
# shellcheck disable=SC1090,SC1091
source "$1/plan"

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

# Prints the folder of the buildpack $1, or fails.
folder_of() {
  local name="${1#urn:buildpack:}"
  # URLs by which Heroku's own buildpacks have always been named.
  if [[ $1 =~ /heroku/heroku-buildpack-([a-z]+)(\.git)?/?$ ]]; then name="heroku/${BASH_REMATCH[1]}"; fi
  if [[ -n ${BUILT_IN[$name]+set} ]]; then
    printf '%s' "${BUILT_IN[$name]}"
    return 0
  fi
  local inside="${1#./}"
  [[ $name == heroku-community/inline ]] && inside=.
  [[ "/$inside/" == */../* || $inside == /* ]] && return 1
  if [[ -f $BUILD_DIR/$inside/bin/compile ]]; then
    # A copy: buildpacks write into their own folder, which is no part of the slug.
    local copy
    copy=$(mktemp -d "$BUILDPACKS_DIR/repo.XXXXXX") || return 1
    if [[ $inside == . ]]; then
      # Inline: the app's scripts find the app beside them, as on Heroku.
      cp -a "$BUILD_DIR/bin" "$copy/bin"
    else
      cp -a "$BUILD_DIR/$inside/." "$copy/"
    fi
    printf '%s' "$copy"
    return 0
  fi
  return 1
}

no_such_buildpack() {
  if [[ $1 == *://* || $1 == git@* ]]; then
    problem "The buildpack $1 can't be fetched:"
    problem 'buildpacks from git repositories and archives are not supported yet.'
  elif [[ $1 == heroku-community/inline ]]; then
    problem 'The buildpack heroku-community/inline needs bin/detect and bin/compile in the app, and they are not there.'
  else
    problem "There is no buildpack $1, neither built in nor as a folder with bin/compile in the app."
  fi
  problem "Built in are: $(printf '%s\n' "${LANGUAGES[@]}" "${FALLBACKS[@]}" | paste -sd' ')."
  problem 'A buildpack in your repository is named by its folder, such as ./my-buildpack.'
  report failed no-such-buildpack "$1"
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

# Whether the buildpack in $1 takes the app; its name is then in NAME.
detects() {
  repair_bits "$1"
  NAME=$(run_script "$1" detect "$BUILD_DIR" </dev/null 2>"$REPORT_DIR/detect-words") || return 1
  NAME="${NAME#"${NAME%%[![:space:]]*}"}"
  NAME="${NAME%"${NAME##*[![:space:]]}"}"
  NAME="${NAME//[$'\n\t']/ }"
  NAME="${NAME:-$(basename "$1")}"
}

detect_automatically() {
  step 'Determining which buildpack to use for this app'
  report automatic
  local reference names=()
  for reference in "${LANGUAGES[@]}"; do
    if detects "${BUILT_IN[$reference]}"; then
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
      if detects "${BUILT_IN[$reference]}"; then
        CHOSEN=("$reference")
        break
      fi
    done
  fi
  ((${#CHOSEN[@]})) || nothing_detected
  CHOSEN=("${CHOSEN[0]}")
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

# The list in the app's own .buildpacks counts if none is set.
read_buildpacks_file() {
  [[ -f $BUILD_DIR/.buildpacks ]] || return 0
  local line
  while IFS= read -r line || [[ -n $line ]]; do
    line="${line%%[[:space:]]*}"
    [[ -z $line || $line == \#* ]] || CHOSEN+=("$line")
  done <"$BUILD_DIR/.buildpacks"
  ((${#CHOSEN[@]} == 0)) || detail "The app's file .buildpacks names them"
}

show_chosen() {
  if ((${#CHOSEN[@]} == 1)); then
    step "Using buildpack: ${CHOSEN[0]}"
    return
  fi
  step 'Using buildpacks:'
  local index
  for index in "${!CHOSEN[@]}"; do
    detail "$((index + 1)). ${CHOSEN[index]}"
  done
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

main() {
  unpack_source
  step "Building on the $STACK_TITLE stack"
  apply_slugignore
  ((${#CHOSEN[@]})) || read_buildpacks_file
  if ((${#CHOSEN[@]})); then
    show_chosen
  else
    detect_automatically
  fi
  local reference folder
  for reference in "${CHOSEN[@]}"; do
    folder=$(folder_of "$reference") || no_such_buildpack "$reference"
    detects "$folder" || not_compatible "$reference"
    step "$NAME app detected"
    report buildpack "$reference" "$NAME"
    compile "$folder"
  done
  # Of the last buildpack, and without the exports: Heroku's rule.
  EXPORTS=()
  if [[ -f $folder/bin/release ]]; then
    run_script "$folder" release "$BUILD_DIR" </dev/null 2>"$REPORT_DIR/release-words" |
      head -c 100000 >"$REPORT_DIR/release.yml"
  fi
  report done
}

main
exit 0
