#!/bin/sh
# Run once by the database's image on an empty volume: gasmon's own role, which is no
# superuser, its database, and in it TimescaleDB, which only a superuser may bring in.
set -eu
psql --set=ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set=password="$(cat "${GASMON_PASSWORD_FILE:-/run/secrets/database_gasmon}")" <<'SQL'
CREATE ROLE gasmon LOGIN PASSWORD :'password';
CREATE DATABASE gasmon OWNER gasmon;
REVOKE CONNECT ON DATABASE gasmon FROM PUBLIC;
\connect gasmon
SELECT 'CREATE EXTENSION IF NOT EXISTS timescaledb'
FROM pg_available_extensions WHERE name = 'timescaledb' \gexec
SQL
