# What the user reads: steps, details, and the words at a failure's end.

step() { printf -- '-----> %s\n' "$*"; }
detail() { printf '       %s\n' "$*"; }
problem() { printf ' !     %s\n' "$*"; }
# Unbuffered, so that the reader sees each line when it is written.
indent() { sed -u 's/^/       /'; }

# Each argument is a line, if there is anything in it. Ends the script.
fail() {
  printf '\n'
  local line
  for line in "$@"; do [[ -z $line ]] || problem "$line"; done
  printf '\n'
  exit 1
}
