#!/bin/bash
# Runs once, in an empty database: makes the login of the services. It is no superuser; it may make the
# roles that migrations need, and owns its database.
set -euo pipefail
password=$(cat /run/secrets/citewell_password)
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres --set password="$password" <<'SQL'
CREATE ROLE citewell LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE citewell OWNER citewell;
REVOKE ALL ON DATABASE citewell FROM PUBLIC;
SQL
