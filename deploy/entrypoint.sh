#!/bin/sh
# Runs a command as the user `fasttask`. A mounted files folder that root made is given to that user
# first. The one privilege kept is to listen on ports below 1024. With `docker run --user`, or where
# the image is already run by somebody else than root, the command just runs.
set -eu

files="${FILES_DIR:-/fasttask/files}"

if [ "$(id -u)" -ne 0 ]; then
    exec "$@"
fi
mkdir -p "$files"
if [ "$(stat -c %U "$files")" != fasttask ]; then
    chown -R fasttask: "$files"
fi
exec setpriv --reuid fasttask --regid fasttask --init-groups \
    --inh-caps -all,+net_bind_service --ambient-caps -all,+net_bind_service -- "$@"
