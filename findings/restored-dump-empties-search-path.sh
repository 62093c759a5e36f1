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
# Versions: PgBouncer 1.18.0, PostgreSQL 15 (Debian 12: pgbouncer, postgresql-15).
# Date:     2026-11-30
set -euo pipefail
BIN=/usr/lib/postgresql/15/bin
PATH=$BIN:/usr/sbin:$PATH
command -v initdb pgbouncer >/dev/null || { echo "needs Debian's postgresql-15 and pgbouncer"; exit 2; }
tmp=$(mktemp -d)
user=postgres
as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
[ "$(id -u)" = 0 ] || { user=$(id -un); as=(env); }
chown "$user" "$tmp"
pooler=
trap 'kill $pooler 2>/dev/null || true; "${as[@]}" pg_ctl -D "$tmp/data" -m immediate stop >/dev/null || true; rm -rf "$tmp"' EXIT
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
"${as[@]}" pgbouncer -q "$tmp/bouncer.ini" &
pooler=$!
ask() { psql -X -At -h 127.0.0.1 -p 5998 -U app -d postgres -c "$1" 2>&1; }
for _ in $(seq 50); do ask "SELECT 1" >/dev/null && break; sleep 0.1; done
"${as[@]}" psql -X -q -h "$tmp" -p 5997 -U app -d postgres -c "CREATE TABLE things (a int)"
"${as[@]}" pg_dump -h "$tmp" -p 5997 -U app --clean postgres >"$tmp/dump"
before=$(ask "SELECT count(*) FROM things")
code=0
psql -X -q -h 127.0.0.1 -p 5998 -U app -d postgres --single-transaction -f "$tmp/dump" >>"$tmp/log" || code=$?
after=$(ask "SELECT count(*) FROM things" | head -1) || true
pgbouncer --version | head -1
postgres --version
echo "expected: $before before, exit code 0, then $before"
echo "seen:     $before before, exit code $code, then $after"
[ "$code" = 0 ] && [[ $after == *'"things" does not exist'* ]]
