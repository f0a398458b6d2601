# As many web processes as the dyno's processors and memory bear: 2 per core
# and one more, 256 MB each. Without a memory limit nothing is set.
renga_web_concurrency() {
  local limit_file=/sys/fs/cgroup/memory/memory.limit_in_bytes
  [ -f "$limit_file" ] || return 0
  local memory=$(($(cat "$limit_file") / 1048576)) cores
  cores=$(nproc 2>/dev/null || echo 1)
  export DYNO_RAM=$memory
  local by_cores=$((2 * cores + 1)) by_memory=$((memory / 256))
  local fitting=$((by_cores < by_memory ? by_cores : by_memory))
  [ "$fitting" -lt 1 ] && fitting=1
  export WEB_CONCURRENCY=${WEB_CONCURRENCY:-$fitting}
}
renga_web_concurrency
unset -f renga_web_concurrency
