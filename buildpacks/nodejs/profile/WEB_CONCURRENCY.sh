# As many web processes as fit into the dyno's memory, 512 MB each unless
# WEB_MEMORY says otherwise.
renga_web_concurrency() {
  local limit_file=/sys/fs/cgroup/memory/memory.limit_in_bytes available=512
  [ -f "$limit_file" ] && available=$(($(cat "$limit_file") / 1048576))
  export MEMORY_AVAILABLE=${MEMORY_AVAILABLE:-$available}
  local each=512
  [ "$MEMORY_AVAILABLE" -gt 16384 ] && each=2048
  export WEB_MEMORY=${WEB_MEMORY:-$each}
  local fitting=$((MEMORY_AVAILABLE / WEB_MEMORY))
  [ "$fitting" -lt 1 ] && fitting=1
  # No machine: the limit is not set.
  [ "$fitting" -gt 200 ] && fitting=1
  export WEB_CONCURRENCY=${WEB_CONCURRENCY:-$fitting}
}
renga_web_concurrency
unset -f renga_web_concurrency
