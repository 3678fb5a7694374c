#!/usr/bin/env bash
# The package under a real systemd: tests/systemd.sh PACKAGE.deb [TREE]
#
# Needs root, debootstrap and systemd-nspawn (systemd-container). TREE is a Debian 12 tree that is made
# where it is not there yet; what is done to it stays in it. The checks run inside, as a service that
# powers the tree off; their log is printed.
set -euo pipefail

deb=$(realpath "${1:?tests/systemd.sh PACKAGE.deb [TREE]}")
tree=${2:-$(mktemp -d)/tree}

if [ ! -e "$tree/etc/debian_version" ]; then
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,libnss-systemd,curl,openssl,ca-certificates,procps \
        bookworm "$tree" >/dev/null
fi
rm -rf "$tree/etc/ringroom" "$tree/checks"
mkdir -p "$tree/checks"
cp "$deb" "$tree/checks/ringroom.deb"
chroot "$tree" dpkg -s ringroom >/dev/null 2>&1 && chroot "$tree" dpkg --purge ringroom >/dev/null
chroot "$tree" apt-get install -y -qq --no-install-recommends /checks/ringroom.deb >"$tree/checks/install.log" 2>&1 ||
    { cat "$tree/checks/install.log"; exit 1; }
if ! grep -q 'put a certificate into /etc/ringroom/tls' "$tree/checks/install.log"; then
    echo "FAIL the package does not tell what to do next"
    exit 1
fi

cat >"$tree/checks/run" <<'INSIDE'
#!/bin/bash
failed=0
check() { # NAME COMMAND...: the command's status decides
    local name=$1
    shift
    if "$@" >/checks/last 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        sed 's/^/     /' /checks/last
        failed=1
    fi
}
eventually() { # COMMAND...: within 20 s
    local n
    for n in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    "$@"
}
pid() { systemctl show -P MainPID ringroom; }
is_new() { [ "$(pid)" != 0 ] && [ "$(pid)" != "$1" ] && systemctl is-active -q ringroom; }
answers() { curl -fsSk -o /dev/null "$1"; }
name_of() { openssl s_client -connect 127.0.0.1:"$1" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
certificate() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$1" \
        -addext 'subjectAltName=DNS:localhost' -keyout /etc/ringroom/tls/key.pem -out /etc/ringroom/tls/cert.pem
}
restarts_after() { # SIGNAL
    local before
    before=$(pid)
    kill "-$1" "$before"
    eventually is_new "$before" && eventually answers https://127.0.0.1:8443/
}
refuses_reload() {
    sed -i 's/"rooms"/"rooomz"/' /etc/ringroom/ringroom.json
    systemctl reload ringroom
    eventually bash -c 'journalctl -u ringroom | grep "the configuration is refused, and the old one stays: rooomz"'
    [ "$(pid)" = "$1" ] && answers https://127.0.0.1:8443/
}
reloads_certificate() {
    local before
    before=$(pid)
    certificate second
    chgrp -R ringroom-tls /etc/ringroom/tls
    chmod 750 /etc/ringroom/tls
    chmod 640 /etc/ringroom/tls/*.pem
    systemctl reload ringroom
    eventually grep -q second <(name_of 8443)
    name_of 8443 | grep second && [ "$(pid)" = "$before" ]
}
waits_for_restart() { # a client that comes while the server is down is answered by the next one
    systemctl stop ringroom.service
    answers https://127.0.0.1:443/ && systemctl is-active ringroom.service
}

check 'not started without a certificate' bash -c '! systemctl is-active ringroom'
check 'unit files are in order' systemd-analyze --man=no verify ringroom.service ringroom.socket
check 'man pages' test -e /usr/share/man/man1/ringroom.1.gz -a -e /usr/share/man/man5/ringroom.json.5.gz
certificate first
mkdir -p /run/systemd/system/ringroom.service.d
# Limits that this tree may not raise, and a watchdog that need not be waited for.
printf '[Service]\nLimitNOFILE=4096\nLimitMEMLOCK=8M\nWatchdogSec=3\n' >/run/systemd/system/ringroom.service.d/test.conf
systemctl daemon-reload
check 'starts, and is ready' systemctl start ringroom
check 'answers' answers https://127.0.0.1:8443/
check 'runs as a user of its own' bash -c '! grep -q "^Uid:.0" /proc/$(systemctl show -P MainPID ringroom)/status'
check 'has no capability' grep -q 'CapBnd:.0000000000000000' "/proc/$(pid)/status"
check 'says whom it serves' eventually bash -c 'systemctl show -P StatusText ringroom | grep "Serving 0 clients"'
old=$(pid)
sleep 5
check 'is alive to the watchdog' test "$(pid)" = "$old"
check 'reloads' bash -c 'systemctl reload ringroom && sleep 1 && journalctl -u ringroom | grep "read again"'
check 'a wrong configuration is refused, and it goes on' refuses_reload "$old"
sed -i 's/"rooomz"/"rooms"/' /etc/ringroom/ringroom.json
check 'is started again after a crash' restarts_after SEGV
check 'is started again after a hang' restarts_after STOP
check 'the journal names the watchdog' bash -c 'journalctl -u ringroom | grep -qi watchdog'
groupadd --system --force ringroom-tls
cp /usr/share/doc/ringroom/examples/readable-certificate.conf /run/systemd/system/ringroom.service.d/
chgrp -R ringroom-tls /etc/ringroom/tls
chmod 750 /etc/ringroom/tls
chmod 640 /etc/ringroom/tls/*.pem
systemctl daemon-reload
check 'starts with a certificate that it may read' systemctl restart ringroom
check 'a renewed certificate by reload' reloads_certificate
check 'stops' systemctl stop ringroom
check 'opens the socket' systemctl start ringroom.socket
check 'is started by its first client, at port 443' answers https://127.0.0.1:443/
check 'clients wait for a restart' waits_for_restart
check 'doctor' bash -c 'ringroom doctor --config /etc/ringroom/ringroom.json --set tls.cert=/etc/ringroom/tls/cert.pem --set tls.key=/etc/ringroom/tls/key.pem --set listen=127.0.0.1:9443 --set limits.connections=100 | tee /checks/doctor; [ ${PIPESTATUS[0]} = 0 ]'
systemctl stop ringroom.socket ringroom.service
check 'is removed' dpkg --purge ringroom
echo "exposure: $(systemd-analyze security --offline=true /checks/ringroom.service 2>&1 | tail -n 1)"
[ $failed = 0 ] && echo 'all passed'
INSIDE
cp "$(dirname "$0")/../systemd/ringroom.service" "$tree/checks/ringroom.service"
cat >"$tree/etc/systemd/system/ringroom-checks.service" <<'UNIT'
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'bash /checks/run >/checks/log 2>&1'
[Install]
WantedBy=default.target
UNIT
chroot "$tree" systemctl enable -q ringroom-checks.service

SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout -s KILL "${SECONDS_MAX:-240}" systemd-nspawn -b -q -D "$tree" \
    --register=no --keep-unit --private-network -M "ringroom-checks-$$" --console=read-only \
    </dev/null >"$tree/checks/console" 2>&1 || true
cat "$tree/checks/log"
grep -q '^all passed$' "$tree/checks/log"
