package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Pitstop's services try the database ten times, ten seconds apart, then end. The same patience
// in smaller steps lets an environment come up as soon as it can.
const (
	databaseAttempts = 100
	databasePause    = time.Second
)

// silence is how long an accepted connection must stay open to count as a server that is there. A
// sidecar accepts every connection and closes it again when nothing answers behind it; SQL Server
// lets the client speak first.
const silence = 300 * time.Millisecond

// reachable tells whether a server that lets its client speak first is at the address.
func reachable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	_, err = connection.Read(make([]byte, 1))
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errors.New("connection closed at once")
	}
	return err
}

// awaitDatabase returns when the address answers, or fails once Pitstop's patience is over.
func (s *service) awaitDatabase(ctx context.Context, address string) error {
	pause := s.env.duration("PITSTOP_RETRY", databasePause)
	for attempt := 1; ; attempt++ {
		err := reachable(ctx, address)
		if err == nil {
			return nil
		}
		if attempt == databaseAttempts {
			return fmt.Errorf("no database at %s after %d attempts: %w", address, attempt, err)
		}
		s.log.Info("waiting for the database", "address", address, "attempt", attempt, "error", err.Error())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// databaseAddress finds host and port in an ADO.NET connection string, as Pitstop's settings hold it.
func (s *service) databaseAddress(name string) string {
	host := "sqlserver"
	for _, pair := range strings.Split(s.env("ConnectionStrings__"+name), ";") {
		key, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "server", "data source", "addr", "address", "network address":
			host = strings.TrimPrefix(strings.TrimSpace(value), "tcp:")
		}
	}
	host, port, given := strings.Cut(host, ",")
	if !given {
		port = "1433"
	}
	return net.JoinHostPort(strings.TrimSpace(host), strings.TrimSpace(port))
}
