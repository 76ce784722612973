#!/usr/bin/env bash
# Reloads a configuration of many circuits, again and again, while requests come on 32 connections, and prints how long
# the server took for each: from the request for it to its audit entry. Fails where a request failed, or the slowest
# reload took longer than 200 ms. `reload.sh [--circuits N] [--reloads N]`; `--smoke` is 50 circuits, three times, in
# whatever time it takes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"

circuits=1000 reloads=30 most=200
while [ $# -gt 0 ]; do
  case $1 in
    --circuits) circuits=$2; shift ;;
    --reloads) reloads=$2; shift ;;
    --smoke) circuits=50 reloads=3 most= ;;
    *) fail "no such flag: $1" ;;
  esac
  shift
done
have nginx || apt_install nginx-light || fail "nginx is missing"
have wrk || apt_install wrk || fail "wrk is missing"
[ -n "${VESTIBULE_BIN:-}" ] || cargo build --release --locked -p vestibule-proxy --bin vestibule
vestibule=${VESTIBULE_BIN:-$CARGO_TARGET_DIR/release/vestibule}

folder=$(mktemp -d)
trap 'kill $gateway $upstream $load 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
gateway= upstream= load=
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) admin=$(free_port) behind=$(free_port)
export VESTIBULE_ADMIN_TOKEN=vsta_of-the-measurement VESTIBULE_ADMIN_URL="http://127.0.0.1:$admin"
hash=$(printf %s "$VESTIBULE_ADMIN_TOKEN" | sha256sum | cut -d ' ' -f 1)

secret=$("$vestibule" hash --pin <<<482913)

# $1: an address that one circuit does not let in; another one is another revision.
configure() {
  cat <<TOML
[server]
data_dir = "data"
listen = [{ address = "127.0.0.1:$port" }]
limits = { connections_per_ip = 1000 }
[admin]
listen = "127.0.0.1:$admin"
[admin.tokens.ops]
role = "admin"
hash = "sha256:$hash"
[users."maya@example.net"]
password_hash = "$secret"
pin_hash = "$secret"
[projects.docs]
members = ["maya@example.net", "domain:example.net", "group:writers"]
[rate_limits.browse]
per = "ip"
rate = "1000000/s"
TOML
  for ((n = 0; n < circuits; n++)); do
    # Every second one has a policy.
    if ((n % 2)); then access='access = "members"
login = ["password", "pin"]'; else access='access = "public"'; fi
    cat <<TOML
[circuits.c$n]
project = "docs"
hosts = ["c$n.localhost", "www.c$n.localhost"]
upstream = "http://127.0.0.1:$behind"
ip_block = ["198.51.100.$((n % 250))", "$1"]
rate_limits = ["browse"]
$access
TOML
  done
}

cat >"$folder/nginx.conf" <<NGINX
daemon off; pid $folder/nginx.pid; error_log $folder/nginx.log; worker_processes 1;
events {}
http { access_log off; keepalive_requests 1000000; server { listen 127.0.0.1:$behind; return 200 "here\n"; } }
NGINX
nginx -p "$folder" -c "$folder/nginx.conf" & upstream=$!
umask 077
configure 192.0.2.1 >"$folder/one.toml"
configure 192.0.2.2 >"$folder/other.toml"
cp "$folder/one.toml" "$folder/vestibule.toml"
"$vestibule" run -qc "$folder/vestibule.toml" 2>"$folder/output" & gateway=$!
for _ in $(seq 300); do
  "$vestibule" healthcheck -qq >/dev/null && break
  kill -0 "$gateway" || { cat "$folder/output"; exit 1; }
  sleep 0.1
done

cat >"$folder/hosts.lua" <<LUA
local n = 0
request = function() n = (n + 2) % $circuits; return wrk.format("GET", "/", { Host = "c" .. n .. ".localhost" }) end
LUA
wrk -t1 -c32 -d600s -s "$folder/hosts.lua" "http://127.0.0.1:$port/" >"$folder/wrk" & load=$!
until [ "$("$vestibule" logs -n 1 -o json | wc -l)" = 1 ]; do sleep 0.05; done
for ((n = 0; n < reloads; n++)); do
  if ((n % 2)); then next=one; else next=other; fi
  cp "$folder/$next.toml" "$folder/next" && mv "$folder/next" "$folder/vestibule.toml"
  "$vestibule" reload >/dev/null
done
kill -INT "$load" && wait "$load" || true
sent=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$folder/wrk")
failed=$("$vestibule" logs --since 1h -n 1000 status_code.not=200 status_code.not=0 -o json | wc -l)
times=$("$vestibule" logs audit -n 1000 action=config.reload status=success -o json \
  | sed -n 's/.*"duration_ms":\([0-9]*\).*/\1/p' | sort -n)
count=$(wc -l <<<"$times") median=$(sed -n "$((($(wc -l <<<"$times") + 1) / 2))p" <<<"$times") slowest=$(tail -1 <<<"$times")
grep -q 'Socket errors' "$folder/wrk" && { grep 'Socket errors' "$folder/wrk"; failed=$((failed + 1)); }

printf '%s circuits, %s reloads by request, 32 connections, %s requests meanwhile, %s failed\n' \
  "$circuits" "$count" "$sent" "$failed"
printf 'server time of a reload: median %s ms, slowest %s ms%s\n' "$median" "$slowest" "${most:+, to be reached: $most ms}"
[ "$failed" = 0 ] && [ "$count" -ge "$reloads" ] && { [ -z "$most" ] || [ "$slowest" -le "$most" ]; }
