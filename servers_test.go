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
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSentinelFailover: the master is killed, a replica takes its place, and a
// worker that reaches them through Sentinel goes on.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	masterPort, replicaPort, sentinelPort := redistest.FreePort(t), redistest.FreePort(t), redistest.FreePort(t)
	master := redistest.Start(t, "--port", masterPort, "--bind", "127.0.0.1")
	replica := redistest.Start(t, "--port", replicaPort, "--bind", "127.0.0.1", "--replicaof", "127.0.0.1", masterPort)
	redistest.WaitFor(t, "the replica", func() error {
		// WAIT answers how many replicas there are, as this connection has
		// written nothing.
		if got := master.Do(t, "WAIT", "1", "100"); got != ":1" {
			return errors.New(got)
		}
		return nil
	})
	dir := t.TempDir()
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", sentinelPort, dir, masterPort)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := exec.Command("redis-server", file, "--sentinel")
	if err := sentinel.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sentinel.Process.Kill()
		sentinel.Wait()
	})
	redistest.WaitFor(t, "sentinel", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+sentinelPort)
		if err == nil {
			conn.Close()
		}
		return err
	})

	e := newEnv(t, "redis://127.0.0.1:"+sentinelPort+"?master_set=main")
	w := e.worker(tasuki.WorkerConfig{})
	var got recorder[int]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		got.add(job.Args)
		return nil
	})
	e.run(w)
	e.enqueue(number, 10)
	got.wait(t, 10)
	e.settled("default", 10)
	redistest.WaitFor(t, "the replica to have all", func() error {
		// The counter of what is done is "10".
		if reply := replica.Do(t, "HSTRLEN", e.key("default", "count"), "done"); reply != ":2" {
			return errors.New(reply)
		}
		return nil
	})
	master.Kill()
	redistest.WaitFor(t, "the failover", func() error {
		if role := replica.Do(t, "SET", "promoted", "1"); role != "+OK" {
			return errors.New(role)
		}
		return nil
	})
	replica.Do(t, "DEL", "promoted")
	redistest.WaitFor(t, "an enqueue after the failover", func() error {
		_, err := number.With(tasuki.Opts{ID: "after"}).Enqueue(e.ctx, e.client, 10)
		return err
	})
	got.wait(t, 11)
	e.settled("default", 11)
}

// TestNameMoves: the server becomes a replica and keeps its connections, while the
// name under which it was reached leads to another. Client and worker follow.
func TestNameMoves(t *testing.T) {
	t.Parallel()
	before, after := redistest.Start(t), redistest.Start(t)
	e := newEnv(t, after.URL())
	var to atomic.Pointer[redistest.Server]
	to.Store(before)
	e.client = e.openWith("redis://name:6379", &tasuki.ClientConfig{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", to.Load().Socket())
	}})
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	e.enqueue(number, 1)
	got.wait(t, 1)
	to.Store(after)
	if reply := before.Do(t, "REPLICAOF", "127.0.0.1", "1"); reply != "+OK" { // read-only; its master is nobody
		t.Fatal(reply)
	}
	start := time.Now()
	if _, err := number.Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the enqueue took %v", took)
	}
	got.wait(t, 2)
	e.settled("default", 1)
	t.Logf("run at the other server after %v", time.Since(start))
}

// TestTLS: a rediss URL with an authority of one's own, and without it.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir)
	port := redistest.FreePort(t)
	redistest.Start(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-auth-clients", "no", "--requirepass", "secret",
		"--tls-cert-file", dir+"/cert.pem", "--tls-key-file", dir+"/key.pem", "--tls-ca-cert-file", dir+"/cert.pem")
	url := "rediss://:secret@127.0.0.1:" + port
	client, err := tasuki.Open(url, &tasuki.ClientConfig{TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := number.Enqueue(t.Context(), client, 1); err != nil {
		t.Fatal(err)
	}
	w, err := tasuki.NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
		stop()
		return nil
	})
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}

	stranger, err := tasuki.Open(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := stranger.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Ping with an unknown authority: %v", err)
	}
}

// certificate writes a certificate for 127.0.0.1 and its key to dir.
func certificate(t *testing.T, dir string) *x509.CertPool {
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
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}
