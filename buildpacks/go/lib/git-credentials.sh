# Git's credential helper: answers `get` out of the config vars
# GO_GIT_CRED__PROTOCOL__HOST, whose host has `__` in place of each dot.
# Usage: git-credentials.sh ENV_DIR get|store|erase

[[ $2 == get ]] || exit 0
while IFS='=' read -r key value; do
  case "$key" in
    protocol) protocol=$value ;;
    host) host=$value ;;
  esac
done
name="GO_GIT_CRED__${protocol}__${host//./__}"
file="$1/${name^^}"
[[ -f $file ]] || exit 0
secret=$(<"$file")
# A token alone serves as both.
printf 'username=%s\npassword=%s\n' "${secret%%:*}" "${secret#*:}"
