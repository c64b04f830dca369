# Shared by tools/check, tools/demo and the scripts in .ci.  Source it from the project's root.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libev-dev liblmdb-dev libsodium-dev libyaml-dev libjansson-dev"
CHECK_PACKAGES="libcriterion-dev libmsgpack-dev clang clang-format clang-tidy cppcheck valgrind libclang-rt-14-dev llvm-14 python3 python3-nacl git procps binutils"

say() { printf '%s\n' "$*"; }
die() { status=$1; shift; printf '%s\n' "$*" >&2; exit "$status"; }

# missing PACKAGE...: those that are not installed.
missing() {
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || printf '%s ' "$p"
  done
}

# need PACKAGE...: installs what is missing; with NO_INSTALL=1 lists it and ends with 69.
need() {
  command -v dpkg-query >/dev/null || die 69 "this needs Debian 12 (or install by hand: $*)"
  want=$(missing "$@")
  [ -n "$want" ] || return 0
  [ "${NO_INSTALL:-0}" = 0 ] || die 69 "missing Debian packages: $want"
  say "installing Debian packages: $want"
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $want" \
    >/dev/null 2>"${TMPDIR:-/tmp}/sampan-apt.$$" || { cat "${TMPDIR:-/tmp}/sampan-apt.$$" >&2; die 69 "apt-get failed"; }
  rm -f "${TMPDIR:-/tmp}/sampan-apt.$$"
}

# sources DIR...: the C files and headers below the folders.
sources() {
  find "$@" -name '*.[ch]' -not -path '*/build/*' | sort
}
