#!/bin/sh
# /etc/libvirt/hooks/qemu (mode 0755; then: systemctl restart libvirtd): tells landfall when a VM stands still here because it migrates, and
# when it goes on here after all, so that what comes for it meanwhile waits at the destination.
#
# libvirt calls no hook at that moment. So when a VM starts (or libvirtd finds it running), a watcher of its own is started, which follows
# libvirt's lifecycle events; it ends with the VM. A hook must not call libvirt before it has returned: the watcher does so after that.
# A millisecond costs a packet: qmp-watcher.mjs beside this file is faster, and gives its hint before the VM is stopped.
set -u
guest=${1:-}
operation=${2:-}
sub=${3:-}
runtime=${LANDFALL_HOOK_RUNTIME:-/run/landfall-hook}
landfall=${LANDFALL:-landfall}
virsh=${VIRSH:-virsh}

# "Suspended Migrated" is told on the source alone, "Resumed" on either side: on the source when the migration failed.
watch() {
	"$virsh" event --domain "$guest" --event lifecycle --loop | while read -r line; do
		case $line in
		*"Suspended Migrated"*) state=paused ;;
		*"Resumed"*) state=running ;;
		*) continue ;;
		esac
		for mac in $1; do
			"$landfall" --quiet hint "$state" "$mac" || logger -t landfall-hook "hint $state $mac ($guest) failed"
		done
	done
}

end_watcher() {
	[ -f "$runtime/$guest.pid" ] || return 0
	kill -- "-$(cat "$runtime/$guest.pid")" 2>/dev/null
	rm -f "$runtime/$guest.pid"
}

case $guest in
'' | */*) exit 0 ;;
esac
case $operation/$sub in
--watch/*)
	# The watcher itself, in a session of its own: $3 has the MACs.
	echo $$ >"$runtime/$guest.pid"
	watch "$sub"
	rm -f "$runtime/$guest.pid"
	;;
started/begin | reconnect/begin)
	# The VM's XML is on standard input.
	macs=$(sed -n "s/.*<mac address=['\"]\([0-9a-fA-F:]*\)['\"].*/\1/p" | tr '\n' ' ')
	[ -n "$macs" ] || exit 0
	mkdir -p "$runtime"
	end_watcher
	setsid "$0" "$guest" --watch "$macs" </dev/null >/dev/null 2>&1 &
	;;
stopped/end)
	end_watcher
	;;
esac
exit 0
