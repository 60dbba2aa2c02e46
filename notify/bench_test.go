package notify

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// BenchmarkMailer hands mails to a server on this machine, in the clear, from an
// outbox in memory.
func BenchmarkMailer(b *testing.B) {
	got := make(chan taken, 1)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &sink{to: got}, nil }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	srv, err := ParseServer("smtp://" + l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	outbox := newMemory(due(several(b, b.N)...)...)
	m, err := NewMailer(MailerConfig{Server: srv, From: "perch@example.com", Outbox: outbox, Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.ResetTimer()
	begun := time.Now()
	go func() { defer close(done); _ = m.Run(ctx) }()
	for range b.N {
		<-got
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "mails/s")
	stop()
	<-done
}
