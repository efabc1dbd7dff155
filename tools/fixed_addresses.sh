#!/usr/bin/env bash
# Runs a command without address randomisation where that is allowed: GCC 12's ThreadSanitizer stops with "unexpected
# memory mapping" on kernels that randomise more bits than it knows.
if setarch "$(uname -m)" -R true 2>/dev/null; then
  exec setarch "$(uname -m)" -R "$@"
fi
exec "$@"
