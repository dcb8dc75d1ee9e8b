#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its data directory is new: a database and a role for each service, which can
# enter no other's database. `ledger` is the books of the simulated card network. The passwords come from the environment.
set -euo pipefail

for name in prereservation payment receipt myreservation account ledger; do
  variable="${name^^}_DB_PASSWORD"
  psql -X -v ON_ERROR_STOP=1 -v name="$name" -v password="${!variable:?}" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres << 'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
