#!/bin/sh
# PgBouncer from Debian's package, as a user of its own, with the file of ../pgbouncer and the server of this folder.
set -eu
command -v pgbouncer >/dev/null || { apt-get update && apt-get install -y --no-install-recommends pgbouncer; }
sed 's/host=db /host=postgres /' /etc/pgbouncer/fleet.ini >/etc/pgbouncer/pgbouncer.ini
printf '"fleet_app" "%s"\n' "$FLEET_APP_PASSWORD" >/etc/pgbouncer/userlist.txt
chown postgres /etc/pgbouncer/pgbouncer.ini /etc/pgbouncer/userlist.txt
chmod 600 /etc/pgbouncer/userlist.txt
exec pgbouncer -u postgres /etc/pgbouncer/pgbouncer.ini
