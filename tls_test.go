package tasuki_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestTLS: a rediss URL with an authority of one's own, without it, and with
// certificates that are not to be trusted.
//
//fault:network the server's TLS certificate has expired, is for another name, or of an unknown authority | nothing is sent; enqueue and worker say what is wrong, and go on with one that is right
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, changes ...func(*x509.Certificate)) []string {
		certificate(t, dir, name, changes...)
		return []string{dir + "/" + name + ".crt", dir + "/" + name + ".key"}
	}
	right := write("right")
	expired := write("expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	other := write("other", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 9)} })
	pool := x509.NewCertPool()
	for _, name := range []string{"right", "expired", "other"} {
		text, err := os.ReadFile(dir + "/" + name + ".crt")
		if err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(text)
	}
	port := redistest.FreePort(t)
	s := redistest.Start(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-auth-clients", "no", "--requirepass", "secret",
		"--tls-cert-file", expired[0], "--tls-key-file", expired[1], "--tls-ca-cert-file", right[0])
	use := func(pair []string) {
		if got := s.DoAs(t, "secret", "CONFIG", "SET", "tls-cert-file", pair[0], "tls-key-file", pair[1]); got != "+OK" {
			t.Fatal(got)
		}
	}
	url := "rediss://:secret@127.0.0.1:" + port
	e := newEnv(t, "unix://:secret@"+s.Socket())
	client := e.openWith(url, &tasuki.ClientConfig{TLS: &tls.Config{RootCAs: pool}})
	w, err := tasuki.NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := collect(w, number)
	e.run(w) // it waits for a certificate that is right
	for _, tt := range []struct {
		pair []string
		says string
	}{
		{expired, "expired"},
		{other, "127.0.0.9"},
	} {
		use(tt.pair)
		for name, err := range map[string]error{"Ping": client.Ping(t.Context()), "Enqueue": func() error { _, err := number.Enqueue(t.Context(), client, 1); return err }()} {
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") || errors.Is(err, tasuki.ErrUncertain) {
				t.Errorf("%s: %v: want it to say %q", name, err, tt.says)
			}
		}
	}
	e.waitLog("certificate has expired")
	use(right)
	redistest.WaitFor(t, "an enqueue", func() error {
		_, err := number.Enqueue(t.Context(), client, 1)
		return err
	})
	got.wait(t, 1)
	e.settled("default", 1)

	stranger, err := tasuki.Open(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := stranger.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Ping with an unknown authority: %v", err)
	}
}

// TestTLSHandshakeStalls: the server takes the connection and says nothing.
//
//fault:network a TLS handshake stalls | the call ends after seconds, with certainty that nothing was sent
func TestTLSHandshakeStalls(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){"": nil, "with Dial": new(net.Dialer).DialContext} {
		client, err := tasuki.Open("rediss://"+l.Addr().String(), &tasuki.ClientConfig{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer client.Close()
			start := time.Now()
			_, err := number.Enqueue(t.Context(), client, 1)
			if took := time.Since(start); err == nil || errors.Is(err, tasuki.ErrUncertain) || took > 20*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
	wg.Wait()
}

// certificate writes a certificate for 127.0.0.1 and its key to dir.
func certificate(t *testing.T, dir, name string, changes ...func(*x509.Certificate)) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
