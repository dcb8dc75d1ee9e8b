#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its data directory is new: a database and a role for each service, which can
# enter no other's database. `ledger` is the books of the simulated card network. The passwords come from the environment.
# Called again, it makes what a new release needs besides, and leaves the rest as it is.
set -euo pipefail

for name in prereservation payment receipt myreservation account ledger; do
  variable="${name^^}_DB_PASSWORD"
  psql -X -v ON_ERROR_STOP=1 -v name="$name" -v password="${!variable:?}" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres << 'SQL'
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'name', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
