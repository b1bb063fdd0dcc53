#!/usr/bin/env bash
# Finds the browsers that the tests drive, Node.js, which runs the second client
# (e2e/node) and onnxruntime (e2e/onnx), numpy, and the reverse proxies that a coordinator is
# tested behind, and installs Debian's where it can.
set -u
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin # where nginx is
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v firefox-esr >/dev/null || missing+=(firefox-esr)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
/usr/bin/python3 -c 'import numpy' 2>/dev/null || python3 -c 'import numpy' 2>/dev/null || missing+=(python3-numpy)
command -v nginx >/dev/null || missing+=(nginx)
command -v caddy >/dev/null || missing+=(caddy)

install() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	# The tests start the proxies themselves: no service is to take ports 80 and 443.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap "rm -f $policy" EXIT
	fi
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
if [ ${#missing[@]} -gt 0 ] && ! install; then
	echo "make test needs ${missing[*]}: install with 'sudo apt-get install ${missing[*]}'" >&2
	exit 1
fi

# onnxruntime-node comes with its binaries. Its install script would fetch CUDA's.
if [ ! onnx/node_modules/.package-lock.json -nt onnx/package-lock.json ]; then
	(cd onnx && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && touch onnx/node_modules/.package-lock.json || {
		echo "make test needs onnxruntime-node: run 'npm ci --ignore-scripts' in e2e/onnx" >&2
		exit 1
	}
fi

# PapaParse is compared with, in the long form of the tests.
if [ ! bench/node_modules/.package-lock.json -nt bench/package-lock.json ]; then
	(cd bench && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && touch bench/node_modules/.package-lock.json ||
		echo "the comparison with PapaParse needs 'npm ci --ignore-scripts' in e2e/bench" >&2
fi
