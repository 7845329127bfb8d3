#!/bin/sh
# How the node comes up, from a process of this machine to process 1 of a machine of its own.
#
#   boot.sh enter LOG STATE ROOT CGROUP... < API socket > HTTP socket 2> HTTPS socket
#
# LOG gets what goes wrong before anything is supervised. STATE holds what the node keeps (etc, var, opt, log)
# and the list of tools; ROOT is the unpacked root file system, only read; each CGROUP is a folder this node
# owns. The three sockets listen on this machine's loopback: the node inherits them and gets no other way in
# or out.
set -eu
umask 022
ulimit -S -n 65536 2>/dev/null || : # a proxy with many connections needs more than the usual 1024

# Joins the cgroups first, so that the new cgroup namespace begins there.
enter() {
    exec 5<&2 2>>"$1"
    state=$2 root=$3
    shift 3
    for cgroup in "$@"; do
        echo $$ >"$cgroup/cgroup.procs"
    done
    exec unshare --cgroup --mount --net --uts --ipc --propagation private sh "$0" leaf "$state" "$root" "$1"
}

# cgroup v2 hands controllers on only from a cgroup without processes, so everything moves one down.
leaf() {
    state=$1 root=$2 cgroup=$3
    if [ -e "$cgroup/cgroup.controllers" ]; then
        mkdir -p "$cgroup/init"
        echo $$ >"$cgroup/init/cgroup.procs"
        for controller in $(cat "$cgroup/cgroup.controllers"); do
            # One that pods do not need may refuse; that those they need arrive was looked at before.
            { echo "+$controller" >"$cgroup/cgroup.subtree_control"; } 2>/dev/null || :
        done
    fi
    exec unshare --pid --fork sh "$0" machine "$state" "$root"
}

mount_devices() {
    mount -t tmpfs -o mode=755,size=64k tmpfs dev
    mkdir dev/pts dev/shm dev/mqueue
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    mount -t mqueue mqueue dev/mqueue
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    for device in null zero full random urandom tty kmsg; do
        : >"dev/$device"
        mount --bind "/dev/$device" "dev/$device"
    done
}

mount_cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        return
    fi
    mount -t tmpfs -o mode=755,size=64k tmpfs sys/fs/cgroup
    while IFS=: read -r _ controllers _; do
        [ "$controllers" ] || continue
        folder=sys/fs/cgroup/${controllers#name=}
        mkdir "$folder"
        case $controllers in
        name=*) mount -t cgroup -o "none,$controllers" cgroup "$folder" ;;
        *,*) mount -t cgroup -o "$controllers" cgroup "$folder"
            for one in $(echo "$controllers" | tr , ' '); do ln -s "$controllers" "sys/fs/cgroup/$one"; done ;;
        *) mount -t cgroup -o "$controllers" cgroup "$folder" ;;
        esac
    done </proc/self/cgroup
}

# The kubelet sets these for the whole machine. It finds the values it wants here, and the machine keeps its own.
shield_sysctls() {
    mkdir run/sysctl
    while read -r name value; do
        [ -e "/proc/sys/$name" ] || continue
        shield=run/sysctl/$(echo "$name" | tr / .)
        echo "$value" >"$shield"
        mount --bind "$shield" "proc/sys/$name"
    done <<VALUES
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
VALUES
}

mount_tools() {
    mkdir -p node/bin
    while read -r name path; do
        : >"node/bin/$name"
        mount --bind "$path" "node/bin/$name"
        mount -o remount,bind,ro "node/bin/$name"
    done <"$1/tools"
}

# The root is a small tmpfs; the programs come read-only from the cache and what must last from STATE.
machine() {
    state=$1 packages=$2
    exec 3<&0 4>&1 </dev/null >&2
    mount -t tmpfs -o mode=755,size=16m node "$state/root"
    cd "$state/root"
    mkdir old usr etc var opt dev proc sys run tmp root
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
    mount --bind "$packages/usr" usr
    mount -o remount,bind,ro usr
    for kept in etc var opt; do mount --bind "$state/$kept" "$kept"; done
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mkdir -p var/log/node
    mount --bind "$state/log" var/log/node
    mount_devices
    mount_cgroups
    shield_sysctls
    mount_tools "$state"
    pivot_root . old
    cd /
    umount -l /old
    rmdir /old
    mount --make-rshared /
    start
}

# From here on only the node's own programs run, and only its own network exists.
start() {
    export PATH=/node/bin:/run/bin:/usr/sbin:/usr/bin HOME=/root
    echo pitstop >/proc/sys/kernel/hostname
    ip link set lo up
    ip link add pitstop0 type bridge
    ip address add 192.0.2.2/24 dev pitstop0
    ip link set pitstop0 up
    # A route for services, whose addresses are rewritten only after a route is found; the rest fails at once.
    ip route add 10.96.0.0/16 dev pitstop0
    ip route add unreachable default
    echo 1 >/proc/sys/net/ipv4/ip_forward
    flavour=nft
    xtables-nft-multi iptables -t nat -S >/dev/null 2>&1 || flavour=legacy
    mkdir -p /run/bin /run/cni
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -s "/usr/sbin/xtables-$flavour-multi" "/run/bin/$tool"
    done
    cp -r /etc/service /run/service
    exec s6-svscan /run/service
}

"$@"
