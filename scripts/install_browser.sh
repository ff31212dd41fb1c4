#!/bin/sh
# The browser of the report's tests: Debian's chromium, installed once where it is missing.
set -eu
for name in "${BROWSER_PATH:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
run=""
if [ "$(id -u)" -ne 0 ]; then run="sudo -n"; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "No chromium found: install one, or set BROWSER_PATH, for the tests in a browser." >&2
  exit 0
fi
echo "Installing chromium for the tests in a browser ..."
$run apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive \
  $run apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 ||
  echo "chromium could not be installed; the tests in a browser will fail." >&2
