#!/bin/sh
# The virtual machine's disk, kernel and initial RAM disk, in dist/vm: a small Debian with systemd and nothing but version 2
# of control groups. Made anew when what it is made of has changed. Prints what it does on stderr. Needs root.
set -eu
cd "$(dirname "$0")/../.."
made=dist/vm
here=scripts/vm
docker=$(command -v docker) || { echo 'gantry: the docker command line is missing' >&2; exit 1; }
key=$(cat "$here/image.sh" "$here/agent.sh" "$here/agent.service" "$docker" | sha256sum)
[ "$(cat "$made/key" 2>/dev/null)" != "$key" ] || exit 0

echo 'gantry: making the disk of the virtual machine' >&2
rm -rf "$made"
mkdir -p "$made"
root=$(mktemp -d)
log=$made/image.log
trap 'rm -rf "$root"' EXIT
packages=systemd,systemd-sysv,udev,dbus,dbus-user-session,libpam-systemd,linux-image-amd64,initramfs-tools
packages=$packages,iproute2,nftables,iptables,e2fsprogs,xfsprogs,uidmap,slirp4netns,runc,ca-certificates,procps,kmod,busybox-static,nfs-kernel-server,qemu-user-static
# The initial RAM disk has what mounts the disk, and no more: it is unpacked by an emulated processor.
# Of the emulators one is enough: it has a program of its processor to run.
mmdebstrap --quiet --variant=minbase --architectures=amd64,arm64 --dpkgopt=force-unsafe-io --include="$packages" \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/small"' \
  --essential-hook='printf "virtio_pci\nvirtio_blk\next4\n" >"$1/etc/initramfs-tools/modules"' \
  --customize-hook='find "$1/usr/bin" -name "qemu-*-static" ! -name qemu-aarch64-static -delete' \
  --customize-hook='chroot "$1" sh -c "cd /tmp && apt-get -q download busybox-static:arm64 && dpkg-deb -x busybox*.deb /opt/arm64 && rm busybox*.deb"' \
  --customize-hook='rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/doc/* "$1"/usr/share/locale/*' \
  bookworm "$root" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

cp -L "$root/vmlinuz" "$made/vmlinuz"
cp -L "$root/initrd.img" "$made/initrd.img"
install -m 755 "$docker" "$root/usr/local/bin/docker"
install -m 755 "$here/agent.sh" "$root/usr/local/bin/agent"
install -m 644 "$here/agent.service" "$root/etc/systemd/system/agent.service"
echo gantry-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost gantry-vm\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 defaults 0 1\ndist /dist 9p trans=virtio,version=9p2000.L,ro 0 0\n' >"$root/etc/fstab"
mkdir "$root/dist"
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash alice
chroot "$root" systemctl --quiet enable agent.service
# Started by the test that needs it.
chroot "$root" systemctl --quiet disable nfs-server.service rpcbind.service rpcbind.socket
# The agent has this console; nothing here is done by the clock.
chroot "$root" systemctl --quiet mask serial-getty@hvc0.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
# alice's own systemd runs without her being logged in.
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/alice"
mkfs.ext4 -q -L root -d "$root" "$made/root.ext4" 4G >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
echo "$key" >"$made/key"
