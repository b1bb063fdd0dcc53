#!/usr/bin/env bash
# Finds the browsers that the tests drive, Node.js, which runs the second client
# (e2e/node), and the reverse proxies that a coordinator is tested behind, and
# installs Debian's where it can.
set -u
PATH=$PATH:/usr/sbin # where nginx is
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v firefox-esr >/dev/null || missing+=(firefox-esr)
command -v node >/dev/null || missing+=(nodejs)
command -v nginx >/dev/null || missing+=(nginx)
command -v caddy >/dev/null || missing+=(caddy)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	# The tests start the proxies themselves: no service is to take ports 80 and 443.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap "rm -f $policy" EXIT
	fi
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" && exit 0
fi
echo "make test needs ${missing[*]}: install with 'sudo apt-get install ${missing[*]}'" >&2
exit 1
