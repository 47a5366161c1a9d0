#!/bin/sh
# Installs what the tests need and is missing: redis-server, redis-cli, python3 for an
# example in another language, a C compiler for the clock of redis-server, and chromium
# for the pages of the dashboard. It says what it installs, and how to do it by hand where it may not.
set -eu

missing=
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v redis-cli >/dev/null 2>&1 || missing="$missing redis-tools"
command -v python3 >/dev/null 2>&1 || missing="$missing python3"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
missing=${missing# }
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
	root=
	if [ "$(id -u)" != 0 ]; then
		if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
			root=sudo
		else
			echo "setup: $missing is missing. Run: sudo apt-get install $missing" >&2
			exit 1
		fi
	fi
	echo "setup: installing $missing with apt-get"
	$root apt-get update -qq
	# The package would start a server on the default port; the tests start their own.
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 $root apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif command -v brew >/dev/null 2>&1; then
	echo "setup: installing redis, python3 and chromium with brew"
	brew install --quiet redis python3
	brew install --quiet --cask chromium
else
	echo "setup: $missing is missing. Install Redis 6.2 or newer, or Valkey with the names redis-server and redis-cli, Python 3, a C compiler and Chromium, and put them into PATH." >&2
	exit 1
fi
