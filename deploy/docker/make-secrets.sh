#!/bin/sh
# Makes every secret that is not there yet; one that is there is never touched. Runs once before
# everything else, in a container of its own; each server sees its own secrets and no others.
set -eu
umask 022

random() { head -c 32 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }

# keep FILE VALUE: write VALUE unless FILE has content; whole or not at all.
keep() {
  [ -s "$1" ] && return 0
  printf '%s' "$2" > "$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
}

ours=/run/secrets
keep /run/secrets-postgres/superuser_password "$(random)"
keep /run/secrets-postgres/citewell_password "$(random)"
keep /run/secrets-redis/password "$(random)"
keep /run/secrets-qdrant/api_key "$(random)"
keep /run/secrets-redis/redis.conf "requirepass $(cat /run/secrets-redis/password)"

keep $ours/citewell_auth_secret "$(random)"
keep $ours/citewell_bootstrap_key "$(random)"
keep $ours/flower_basic_auth "citewell:$(random)"
keep $ours/citewell_database_url "postgresql://citewell:$(cat /run/secrets-postgres/citewell_password)@postgres:5432/citewell"
keep $ours/citewell_redis_url "redis://:$(cat /run/secrets-redis/password)@redis:6379/0"
keep $ours/citewell_qdrant_api_key "$(cat /run/secrets-qdrant/api_key)"
echo "Secrets are in place."
