#!/bin/sh
# Runs a command as the user `fasttask`. A mounted files folder that root made is given to that user
# first. The one privilege kept is to listen on ports below 1024, if the container has it at all. With `docker run --user`, or where
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
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
caps=-all
if [ $((0x$bounding >> 10 & 1)) -eq 1 ]; then # CAP_NET_BIND_SERVICE: linux/capability.h
    caps=-all,+net_bind_service
fi
exec setpriv --reuid fasttask --regid fasttask --init-groups \
    --inh-caps "$caps" --ambient-caps "$caps" -- "$@"
