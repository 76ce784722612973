#!/usr/bin/env bash
# WebSockets and slow clients: Autobahn's cases directly and through the gateway, thousands of upgrades, slow clients
# beside others, a soak. See README.md. `--fetch` only gets what it needs.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"

folder="$VESTIBULE_CACHE/websockets-17.4"
have python3 || apt_install python3 || fail "python3 is missing"
if [ ! -x "$folder/bin/kosoku" ]; then
  say "fetching kosoku and websockets from PyPI"
  rm -rf "$folder"
  python3 -m venv "$folder" >&2 || { apt_install python3-venv && rm -rf "$folder" && python3 -m venv "$folder" >&2; } ||
    fail "python3-venv is missing"
  "$folder/bin/pip" install -q --disable-pip-version-check 'kosoku==0.1.0' 'websockets==17.4' >&2 ||
    fail "kosoku and websockets cannot be had from PyPI"
fi
have nginx || apt_install nginx-light || fail "nginx is missing"
have wrk || apt_install wrk || fail "wrk is missing"
[ "${1:-}" != --fetch ] || exit 0
cargo build --release --locked -p vestibule-proxy --bin vestibule
exec "$folder/bin/python" tests/bench/streams.py "$CARGO_TARGET_DIR/release/vestibule" "$@"
