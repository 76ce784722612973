#!/usr/bin/env bash
# Builds Vestibule on a bare Debian or Ubuntu with Rust and runs `vestibule demo` with the arguments given here.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$repository"
cargo build --release --locked -p vestibule-proxy --bin vestibule
exec "$CARGO_TARGET_DIR/release/vestibule" demo "$@"
