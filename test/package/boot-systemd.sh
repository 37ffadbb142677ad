#!/bin/sh
# boot-systemd.sh ROOT NAME [HOSTNAME]: systemd as PID 1 of the Debian in folder ROOT, as a container manager would start it: a tree of mounts,
# PIDs and control groups (below group NAME) of its own, in the network namespace of the caller. Ends when that systemd does.
# Whoever kills this process ends all that runs in there.
set -e
root=$1 name=$2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir -p "$root/sys/fs/cgroup/$name"
echo $$ > "$root/sys/fs/cgroup/$name/cgroup.procs"
umount "$root/sys/fs/cgroup"
exec unshare --cgroup --uts --ipc --pid --fork --kill-child sh -ec '
hostname "${2:-hv-07}"
cd "$1"
# In the new namespace of control groups the one of this process is the root.
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -o remount,bind,ro sys
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755,nosuid dev dev
device() { mknod -m 666 "dev/$1" c "$2" "$3"; }
device null 1 3; device zero 1 5; device full 1 7; device random 1 8; device urandom 1 9; device tty 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,nosuid,noexec devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev run run
mount -t tmpfs -o nosuid,nodev tmp tmp
mkdir run/outside
pivot_root . run/outside
umount -l /run/outside
rmdir /run/outside
# What a service gets mounted (its credentials) is made elsewhere and arrives by propagation.
mount --make-rshared /
exec env -i container=landfall-test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=journal
' sh "$root" "$3"
