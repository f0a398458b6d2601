# What of the config vars Go gets, and where it keeps its things.

# Heroku's list, and what more says where modules come from. `${build_dir}` in
# a value stands for the app's folder, for example in CGO_CFLAGS.
export_go_vars() {
  local file name value
  for file in "$ENV_DIR"/*; do
    name=${file##*/}
    [[ -f $file ]] || continue
    case "$name" in
      GOVERSION | GOPROXY | GOPRIVATE | GONOPROXY | GONOSUMDB | GOSUMDB | GOFLAGS | GOINSECURE | GOEXPERIMENT | GOAUTH | GOAMD64 | GOARM64) ;;
      CGO_ENABLED | CGO_CFLAGS | CGO_CPPFLAGS | CGO_CXXFLAGS | CGO_LDFLAGS) ;;
      GO_LINKER_SYMBOL | GO_LINKER_VALUE | GO_INSTALL_PACKAGE_SPEC | GO_INSTALL_TOOLS_IN_IMAGE) ;;
      *) continue ;;
    esac
    value=$(<"$file")
    export "$name=${value//\$\{build_dir\}/$BUILD_DIR}"
  done
}

set_go_folders() {
  mkdir -p "$CACHE_DIR/modules" "$CACHE_DIR/build"
  export GOMODCACHE="$CACHE_DIR/modules" GOCACHE="$CACHE_DIR/build" GOPATH="$CACHE_DIR/path" GOBIN="$WORK/bin"
  export GOENV=off GOTELEMETRY=off GOTOOLCHAIN=local
  # Else the cache could not be deleted.
  export GOFLAGS="${GOFLAGS:-} -modcacherw"
}

# Private modules: the config var GO_GIT_CRED__HTTPS__GITHUB__COM=name:password
# (or a token alone) is what git answers when https://github.com asks. It stays
# in its file: git runs this script's function in a shell of its own.
set_git_credentials() {
  compgen -G "$ENV_DIR/GO_GIT_CRED__*" >/dev/null || return 0
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper GIT_TERMINAL_PROMPT=0
  export GIT_CONFIG_VALUE_0="!bash '$BUILDPACK_DIR/lib/git-credentials.sh' '$ENV_DIR'"
}

# Fails within seconds if the module proxy can't be reached: go alone would try
# for minutes. `off` and `direct` are no addresses.
ask_proxy() {
  local proxy words
  proxy=$(GOTOOLCHAIN=local go env GOPROXY | grep -oE 'https?://[^,|]+' | head -n 1) || return 0
  if ! words=$(curl --silent --show-error --output /dev/null --connect-timeout 5 --max-time 15 --head "$proxy" 2>&1); then
    fail "The module proxy can't be reached: $(sed -E 's#(://)[^/@]*@#\1#' <<<"$proxy")" "$words" \
      'The operator sets GOPROXY to another one, or HTTPS_PROXY, for the server (see its configuration).' \
      'An app that brings its modules (go mod vendor) needs none.'
  fi
}
