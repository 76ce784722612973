#!/usr/bin/env bash
# Looks at the edge with other people's tools: sslscan and testssl at the TLS listener, slowhttptest at the plain one,
# h2load at both. Starts a gateway of its own with a certificate that openssl makes. `edge.sh --quick` leaves out testssl,
# which takes minutes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/setup.sh"
cd "$repository"

for tool in sslscan slowhttptest h2load testssl openssl nginx; do
  have "$tool" || apt_install sslscan slowhttptest nghttp2-client testssl.sh openssl nginx-light || fail "$tool is missing"
done
[ -n "${VESTIBULE_BIN:-}" ] || cargo build --release --locked -p vestibule-proxy --bin vestibule
vestibule=${VESTIBULE_BIN:-$CARGO_TARGET_DIR/release/vestibule}

folder=$(mktemp -d)
trap 'kill "$gateway" "$upstream" 2>/dev/null; wait; rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=pub.localhost \
  -addext subjectAltName=DNS:pub.localhost -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
tls=$(free_port) plain=$(free_port) admin=$(free_port) behind=$(free_port)
cat > "$folder/nginx.conf" <<NGINX
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log /dev/null; events { worker_connections 1024; }
http { access_log off; client_body_temp_path $folder/1; proxy_temp_path $folder/2; fastcgi_temp_path $folder/3;
  uwsgi_temp_path $folder/4; scgi_temp_path $folder/5; server { listen 127.0.0.1:$behind; return 200 "$(printf 'x%.0s' {1..1024})"; } }
NGINX
nginx -c "$folder/nginx.conf" -p "$folder" 2>/dev/null & upstream=$!
cat > "$folder/vestibule.toml" <<TOML
[server]
data_dir = "data"
hsts = "1y"
listen = [{ address = "127.0.0.1:$tls", tls = true }, { address = "127.0.0.1:$plain" }]
[server.limits]
connections_per_ip = 1000
[tls.certificates.own]
hosts = ["pub.localhost"]
cert = "cert.pem"
key = { file = "key.pem" }
[circuits.pub]
hosts = ["pub.localhost", "127.0.0.1"]
upstream = "http://127.0.0.1:$behind"
access = "public"
[admin]
listen = "127.0.0.1:$admin"
TOML
chmod 600 "$folder/vestibule.toml"
"$vestibule" run -c "$folder/vestibule.toml" 2>"$folder/output" & gateway=$!
for _ in $(seq 100); do
  curl -fso /dev/null "http://127.0.0.1:$admin/readyz" && break
  sleep 0.1
done

say "sslscan"
sslscan --no-colour --sni-name=pub.localhost "127.0.0.1:$tls" | sed -n '/SSL\/TLS Protocols/,$p'
say "h2load: 2,000 requests on 10 connections, HTTP/2 over TLS and HTTP/1 in clear"
h2load -n 2000 -c 10 -m 10 --connect-to="127.0.0.1:$tls" https://pub.localhost/ | grep -E '^(finished|requests|status)'
h2load -n 2000 -c 10 --h1 --connect-to="127.0.0.1:$plain" http://pub.localhost/ | grep -E '^(finished|requests|status)'
say "slowhttptest: 300 slow heads, then 300 slow bodies, 12 s each"
for kind in -H -B; do
  slowhttptest "$kind" -c 300 -r 100 -i 2 -l 12 -p 3 -u "http://127.0.0.1:$plain/" 2>&1 \
    | sed 's/\x1b\[[0-9;]*m//g' | grep -E 'service available|closed|connected' | tail -4
done
[ "${1:-}" = --quick ] || { say "testssl"; testssl --quiet --color 0 --warnings off -p -s -f -E -U --ip 127.0.0.1 \
  "https://pub.localhost:$tls" | grep -vE '^\s*$'; }
