#!/usr/bin/env bash
# Finds the browsers that the tests drive, Node.js, which runs the second client
# (e2e/node), onnxruntime (e2e/onnx), axe-core (e2e/axe), a validator of OpenAPI
# (e2e/openapi), a reader of TensorBoard's files (e2e/tfevents), numpy, Prometheus' tool for
# alerts, and the reverse proxies that a coordinator is tested behind, and installs Debian's
# where it can. With the argument lighthouse it installs that too, with bench what fedtab is
# compared with (e2e/bench).
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
command -v promtool >/dev/null || missing+=(prometheus)

install() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	# The tests start the proxies themselves: no service is to take ports 80, 443 and 9090.
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

# packages installs a folder's packages from npm, unless they are there.
packages() {
	[ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] ||
		(cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && touch "$1/node_modules/.package-lock.json"
}

# onnxruntime-node comes with its binaries. Its install script would fetch CUDA's.
for folder in onnx axe openapi tfevents; do
	packages $folder || {
		echo "make test needs the packages of e2e/$folder: run 'npm ci --ignore-scripts' there" >&2
		exit 1
	}
done

# Lighthouse takes 190 MB, the others 120, and only make measure and the like want them.
for folder in "$@"; do
	packages "$folder" || {
		echo "make measure needs the packages of e2e/$folder: run 'npm ci --ignore-scripts' there" >&2
		exit 1
	}
done
