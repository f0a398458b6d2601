# Unpacks Python of another Debian release. Its signature and the checksums of
# the packages are checked by apt, with the keys that the stack has.
# Usage: fetch_python.sh VERSION SUITE FOLDER, for example 3.14 forky /tmp/python

set -euo pipefail
version=$1 suite=$2 folder=$3
work=$(mktemp -d /tmp/apt.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
: >"$work/status"

# The mirror of the stack's own release $1, and of its security updates.
mirror_of() { sed -nE "s/^deb ([^ []+) [a-z]+$1 main.*/\1/p" /etc/apt/sources.list 2>/dev/null | head -n 1; }
mirror=$(mirror_of '')
[[ -n $mirror ]] || { echo 'The stack does not tell where its packages came from.' && exit 1; }
options='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
echo "deb $options $mirror $suite main" >"$work/sources"
security=$(mirror_of -security)
# A release under development has its updates in itself.
[[ -z $security || $suite == forky ]] || echo "deb $options $security $suite-security main" >>"$work/sources"

# A mirror that lags behind will do: what it has is signed all the same.
own_apt() {
  apt-get -qq -o "Dir::State=$work" -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status" \
    -o "Dir::Cache=$work" -o "Dir::Etc::sourcelist=$work/sources" -o Dir::Etc::sourceparts=/dev/null \
    -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2 -o Acquire::http::Timeout=15 \
    -o APT::Update::Error-Mode=any "$@"
}
own_apt update
packages=("python$version" "python$version-minimal" "python$version-venv"
  "libpython$version-minimal" "libpython$version-stdlib" "libpython$version-dev")
(cd "$work/archives" && own_apt download "${packages[@]}")

rm -rf "$folder"
mkdir -p "$folder"
for package in "$work/archives"/*.deb; do dpkg-deb -x "$package" "$folder"; done
rm -rf "$folder"/usr/{share,src} "$folder"/etc "$folder/usr/lib/python$version"/config-*/*.a "$folder"/usr/lib/*/*.a
python3 "${BASH_SOURCE[0]%/*}/fit_libc.py" "$folder/usr/lib/python$version/lib-dynload"
touch "$folder/.whole"
