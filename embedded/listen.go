package embedded

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// listen returns nil for "". It never listens where another machine could connect.
func listen(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; allowed is a loopback address with a port, unix:/path, or nothing", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1" // what a resolver says of it may be anything
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen on %q: allowed is a loopback address (127.0.0.1, [::1], localhost) or unix:/path, for there is no password", addr)
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

func listenUnix(path string) (net.Listener, error) {
	path, err := filepath.Abs(path) // a URL cannot hold a relative one
	if err != nil {
		return nil, err
	}
	// A file of a server that was killed stays behind and would refuse every later one. It is removed only when it
	// is a socket and the system says that nobody listens.
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("listen on unix:%s: the file exists and is not a socket", path)
		}
		nc, err := net.Dial("unix", path)
		if err == nil {
			nc.Close()
			return nil, fmt.Errorf("listen on unix:%s: another server answers there", path)
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("remove a stale socket: %w", err)
			}
		}
	}
	return net.Listen("unix", path) // its Close removes the file
}

func urlOf(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return "redis://" + addr.String()
}
