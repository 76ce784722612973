#!/usr/bin/env bash
# Kills the program under load, again and again (1,000 times unless said otherwise), and prints what was lost: answered
# attempts, requests older than the sync interval, and how long the slowest start took.
#
#   tests/bench/kill.sh [ROUNDS]
#
# A round takes half a second. The figures are for a quiet machine: how late it was, and how long it kept the writer from
# writing, is printed with them and added to what is allowed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"
cargo build --release --locked -p vestibule-proxy --bin vestibule
export VESTIBULE_BIN="$CARGO_TARGET_DIR/release/vestibule" VESTIBULE_KILL_ROUNDS="${1:-1000}"
exec cargo test --release --locked --workspace --test it -- --nocapture --exact \
  kill::a_hundred_kills_lose_no_attempt_and_only_the_last_requests
