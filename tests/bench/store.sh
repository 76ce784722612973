#!/usr/bin/env bash
# Fills Vestibule's log store, DuckDB, chDB and SQLite with the same entries, asks all of them the same questions, and
# prints one table. `store.sh --smoke` takes 20,000 entries, and peers only where they are installed already.
# Flags: --entries N (10000000), --rounds N (7), --data DIR (kept for the next run), --lean, --cpu, --json FILE,
# --only QUESTIONS (names of question.rs and verify, between commas), --peers NAMES (duckdb,chdb,sqlite; an empty word for none).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"

packages=(duckdb==2.0.1 chdb==4.4.0)
venv="$VESTIBULE_CACHE/store-peers"

# Installs the packages, once.
install_peers() {
  [ "$(cat "$venv/packages" 2>/dev/null)" = "${packages[*]}" ] && return 0
  have python3 || apt_install python3 python3-venv || return 1
  say "installing ${packages[*]} into $venv"
  python3 -m venv --clear "$venv" >&2 || { apt_install python3-venv && python3 -m venv --clear "$venv" >&2; } || return 1
  "$venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" >&2 || return 1
  printf '%s\n' "${packages[*]}" >"$venv/packages"
}

peers=duckdb,chdb,sqlite
smoke=
for ((at = 1; at <= $#; at++)); do
  case "${!at}" in
    --peers) next=$((at + 1)) && peers=${!next-} ;;
    --smoke) smoke=1 ;;
  esac
done
if [ -n "$peers" ] && [ -n "$smoke" ]; then
  [ -e "$venv/packages" ] || peers=
elif [ -n "$peers" ]; then
  install_peers || fail "the peers cannot be installed; --peers '' measures without them"
fi
# The packages of bench.sh: others would have the dependencies compiled again with other features.
cargo build --release --locked -p vestibule-proxy -p vestibule-bench --bins
exec "$CARGO_TARGET_DIR/release/vestibule-store-bench" --script tests/bench/peers.py \
  --python "$venv/bin/python" "$@" --peers "$peers"
