#!/bin/sh
# Enqueues a job with redis-cli. Its options pass through: enqueue.sh -u redis://localhost:6379
set -eu
id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
now=$(($(date +%s) * 1000))
element="{\"id\":\"$id\",\"kind\":\"email.welcome\",\"enqueued_at\":$now,\"args\":\"Ada\"}"
ready=$(redis-cli "$@" RPUSH 'tasuki:{default}' "$element")
case $ready in
'' | *[!0-9]*) echo "enqueue: $ready" >&2 && exit 1 ;;
esac
echo "$id"
