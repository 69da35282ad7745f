#!/bin/sh
# Runs once, when the server's folder is made.
set -eu
psql -v ON_ERROR_STOP=1 -v owner_password="$OWNER_PASSWORD" -U postgres -d postgres -f /roles.sql
