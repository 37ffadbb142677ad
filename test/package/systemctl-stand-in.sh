#!/bin/sh
# Stands in for systemctl where PID 1 is not systemd: keeps one service, started as the unit says, with its user and its capabilities.
unit=/lib/systemd/system/landfall.service
pid=/run/stand-in.pid
echo "$*" >> /run/systemctl.log
for word; do
  case $word in daemon-reload | is-active | is-enabled | enable | preset | start | stop | restart | try-restart) action=$word ;; esac
done
active() { [ -f $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; }
start() {
  install -d -m 0755 -o landfall -g landfall /run/landfall
  capability=$(sed -n 's/^AmbientCapabilities=CAP_//p' $unit | tr 'A-Z' 'a-z')
  setsid setpriv --reuid landfall --regid landfall --clear-groups --inh-caps="-all,+$capability" --ambient-caps="-all,+$capability" --bounding-set="-all,+$capability" \
    --no-new-privs $(sed -n 's/^ExecStart=//p' $unit) < /dev/null >> /var/log/landfall.log 2>&1 &
  echo $! > $pid
}
stop() {
  kill -TERM "$(cat $pid)"
  while active; do sleep 0.05; done
  rm -f $pid
  rm -rf /run/landfall
}
case $action in
  is-active) active ;;
  is-enabled) if [ -e /etc/systemd/system/multi-user.target.wants/landfall.service ]; then echo enabled; else echo disabled; exit 1; fi ;;
  enable | preset) ln -sf $unit /etc/systemd/system/multi-user.target.wants/landfall.service ;;   # Debian's preset is to enable
  start) active || start ;;
  stop) if active; then stop; fi ;;
  restart) if active; then stop; fi; start ;;
  try-restart) if active; then stop; start; fi ;;
esac
