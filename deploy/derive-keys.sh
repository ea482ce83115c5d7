#!/bin/sh
# Writes the key of each cell of deploy/topology.json, derived from deploy/keys/master. A cell never sees the master.
set -eu
cd "$(dirname "$0")/.."
umask 077
for cell in us1 us2 de1; do
  CELLWAY_RPC_KEYS_FILE=deploy/keys/master npx --no-install cellway keys derive --cell "$cell" > "deploy/keys/$cell"
done
