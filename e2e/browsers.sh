#!/usr/bin/env bash
# Finds the browsers that the tests drive, and Node.js, which runs the second
# client (e2e/node), and installs Debian's where it can.
set -u
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v firefox-esr >/dev/null || missing+=(firefox-esr)
command -v node >/dev/null || missing+=(nodejs)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" && exit 0
fi
echo "make test needs ${missing[*]}: install with 'sudo apt-get install ${missing[*]}'" >&2
exit 1
