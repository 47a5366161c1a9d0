#!/bin/sh
# Looks every module up in the vulnerability database of Go: known holes in what
# tasuki calls. It needs the network, and so is no part of make test.
# usage: scripts/vuln.sh MODULE…   (directories; GOVULNDB is the URL of another database)
set -u
cd "$(dirname "$0")/.."
GOWORK=off go -C tools build -o ../bin/govulncheck golang.org/x/vuln/cmd/govulncheck || exit 1
status=0
for mod in "$@"; do
	echo "$mod"
	out=$(cd "$mod" && "$OLDPWD/bin/govulncheck" ${GOVULNDB:+-db "$GOVULNDB"} ./... 2>&1) && continue
	case $out in
	*"fetching vulnerabilities"*)
		echo "NOT CHECKED: the vulnerability database cannot be reached (${GOVULNDB:-https://vuln.go.dev})." >&2
		echo "$out" | tail -n 1 >&2
		exit 2
		;;
	esac
	echo "$out"
	status=1
done
[ $status = 0 ] && echo "no known holes in what is called"
exit $status
