#!/bin/sh
# Makes a backup of the database, checks it, sends it to a restic repository, and forgets the oldest there.
#
#   backup.sh FOLDER      a folder that only the service's user can read, with room for one backup
#
# It is run in the service's folder with the service's environment (DB_PATH or DATABASE_URL), with `python` and `restic`
# in PATH, and with restic's own variables: RESTIC_REPOSITORY, RESTIC_PASSWORD_FILE and those of its store. KEEP says what
# `restic forget` keeps. Any failure is a line on standard error and an exit code other than 0; the older backups stay.
set -eu
folder=${1:?"usage: backup.sh FOLDER"}
tag=insights-platform
keep=${KEEP:-"--keep-hourly 24 --keep-daily 14 --keep-weekly 8 --keep-monthly 12"}

umask 077
mkdir -p "$folder"
# Two at once would send each other's half.
exec 9> "$folder/.lock"
flock --nonblock 9 || { echo "another backup is under way" >&2; exit 1; }

# The same name each time: restic tells by the path what belongs together.
copy=$folder/insights.backup
trap 'rm -f "$copy"' EXIT
rm -f "$copy"
# Refuses a copy that is not intact.
python -m database backup "$copy"

# Locks of processes that are gone. The repository is made once, by hand: where the store is not mounted, a new one in its
# place would take all backups to this machine.
restic unlock --quiet
restic backup --quiet --tag "$tag" "$copy"
# shellcheck disable=SC2086  these are several words
restic forget --quiet --tag "$tag" --group-by tags,paths --prune $keep
# Reads a part of what lies there, so that a store that loses data is noticed before the backup is needed.
restic check --quiet --read-data-subset "${READ_BACK:-5%}"
restic snapshots --tag "$tag" --latest 1 --compact
