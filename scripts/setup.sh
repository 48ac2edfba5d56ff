#!/bin/sh
# Everything the commands of this project need, installed or built where it is missing. Prints one line on stderr for
# each step that has something to do, nothing when all is in place. Usage: setup.sh run | test | vm
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

step() { printf 'gantry: %s\n' "$*" >&2; }
fail() { printf 'gantry: %s\n' "$*" >&2; exit 1; }
# What other programs say is shown only when they fail.
quietly() {
  said=$(mktemp)
  if "$@" >"$said" 2>&1 </dev/null; then rm -f "$said"; return 0; fi
  cat "$said" >&2
  rm -f "$said"
  return 1
}

# One set-up at a time: two would install into the same folders.
if [ "${GANTRY_SETUP_LOCKED:-}" != yes ]; then
  GANTRY_SETUP_LOCKED=yes exec flock "$(pwd)/package-lock.json" sh scripts/setup.sh "$purpose"
fi

# The shim and the hello program are compiled here, the libraries are what a static libarchive is linked with; nft and iptables write packet rules; busybox is a built-in image.
packages='gcc libc6-dev make pkg-config libseccomp-dev libarchive-dev libacl1-dev nettle-dev libzstd-dev liblz4-dev
liblzma-dev libbz2-dev zlib1g-dev libxml2-dev busybox-static
nftables iptables'
# The C tests, the peers of the comparisons, the clients that drive the daemon, a root file system to import, terminals.
if [ "$purpose" = test ]; then
  packages="$packages runc crun clang libclang-rt-14-dev docker.io docker-compose docker-registry podman redis-server postgresql-15 skopeo buildah mmdebstrap git xz-utils bzip2 zstd openssh-client tmux iproute2 procps bind9-dnsutils iperf3 uidmap slirp4netns passt rpm"
fi
# The machine of the tests that need another one, and the client that is copied into it.
if [ "$purpose" = vm ]; then
  packages="$packages qemu-system-x86 mmdebstrap e2fsprogs docker.io"
fi

missing=
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || fail "these Debian packages are missing and only root can install them:$missing"
  step "installing Debian packages:$missing"
  export DEBIAN_FRONTEND=noninteractive
  # Installed as tools: policy-rc.d keeps their services from being started (Debian policy 9.3.3.1).
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # shellcheck disable=SC2086 # a list of words
  quietly sh -c 'apt-get -qq update || true; exec apt-get -qq install -y --no-install-recommends "$@"' apt $missing ||
    fail 'apt-get could not install them; see its words above'
fi

# npm leaves this file behind as the record of what it installed.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  step 'installing npm packages'
  quietly npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || fail 'npm ci failed; see its words above'
  # The only install script that is needed, and so the only one that is run: it puts Bun's program into its place.
  (cd node_modules/bun && node install.js >&2) || fail 'Bun could not be installed'
  touch node_modules/.package-lock.json
fi

# `make -q` asks whether anything is to do.
build() {
  make -q --no-print-directory -C "$1" 2>/dev/null && return 0
  step "compiling $2"
  make -s -C "$1" >&2 || fail "$2 could not be compiled; see the compiler's words above"
}
build native 'gantry-shim, the C program that launches containers'
build native/hello 'the program of the image hello-world'

newest_input() { [ -e "$1" ] && [ -z "$(find $2 -newer "$1" -type f 2>/dev/null | head -n 1)" ]; }
if ! newest_input dist/images/busybox.tar 'native/build/hello /bin/busybox src/image/builtins scripts/builtin-images.ts'; then
  step 'packing the built-in images'
  mkdir -p dist/images
  node_modules/.bin/bun scripts/builtin-images.ts >&2 || fail 'the built-in images could not be packed'
  touch dist/images/busybox.tar
fi

if ! newest_input dist/gantry 'src scripts/build scripts/build.sh native/build/gantry-shim dist/images package-lock.json'; then
  step 'compiling dist/gantry'
  sh scripts/build.sh >&2 || fail 'Gantry could not be compiled; see the words above'
fi
# Newer than git's log again, which ./gantry compares it with.
touch dist/gantry
