package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// The servers Pitstop leans on, as far as a port goes.

func runSQLServer(ctx context.Context, s *service) error {
	// The real image ends at once without these two.
	if s.env("ACCEPT_EULA") != "Y" {
		return usageError(`ACCEPT_EULA must be "Y": the real image does not start without it`)
	}
	if len(s.env.or("MSSQL_SA_PASSWORD", s.env("SA_PASSWORD"))) < 8 {
		return usageError("MSSQL_SA_PASSWORD must have at least 8 characters: the real image does not start without it")
	}
	return s.accept(ctx, s.env.or("MSSQL_TCP_PORT", "1433"), tds)
}

func runRabbitMQ(ctx context.Context, s *service) error {
	shared := &broker{user: s.env("RABBITMQ_DEFAULT_USER"), password: s.env("RABBITMQ_DEFAULT_PASS")}
	metrics := func(ctx context.Context) error {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /metrics", shared.metrics)
		return s.serve(ctx, ":15692", mux, always)
	}
	return s.together(ctx, s.front("15672", "RabbitMQ Management"), metrics, func(ctx context.Context) error {
		return s.accept(ctx, s.env.or("RABBITMQ_NODE_PORT", "5672"), shared.talk)
	})
}

func runMailserver(ctx context.Context, s *service) error {
	page := s.front("80", "MailDev")
	return s.together(ctx, page, func(ctx context.Context) error { return s.accept(ctx, "25", mail) })
}

// page says what would be here.
func page(title string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, title+" would be here\n")
	})
	return mux
}

func (s *service) front(port, title string) func(context.Context) error {
	return func(ctx context.Context) error { return s.serve(ctx, ":"+port, page(title), always) }
}

// together runs parts until the first of them fails, or all have ended.
func (s *service) together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(parts))
	for _, part := range parts {
		go func() { results <- part(ctx) }()
	}
	var errs []error
	for range parts {
		if err := <-results; err != nil {
			errs = append(errs, err)
			cancel()
		}
	}
	return errors.Join(errs...)
}

// accept hands every connection on the port to a conversation until the context ends.
func (s *service) accept(ctx context.Context, port string, talk func(net.Conn)) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	s.log.Info("listening", "address", listener.Addr().String())
	return converse(ctx, listener, talk)
}

func converse(ctx context.Context, listener net.Listener, talk func(net.Conn)) error {
	var open sync.WaitGroup
	connections, hangUp := context.WithCancel(ctx)
	defer open.Wait()
	defer hangUp()
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		connection, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		open.Add(1)
		go func() {
			defer open.Done()
			defer connection.Close()
			stop := context.AfterFunc(connections, func() { connection.Close() })
			defer stop()
			talk(connection)
		}()
	}
}

// tds answers a client's PRELOGIN packet with an empty one of its own, and nothing after it.
func tds(connection net.Conn) {
	const prelogin, response, last, terminator = 0x12, 0x04, 0x01, 0xff
	packet := make([]byte, 8)
	if _, err := io.ReadFull(connection, packet); err == nil && packet[0] == prelogin {
		_, _ = connection.Write([]byte{response, last, 0, 9, 0, 0, 1, 0, terminator})
	}
	silent(connection)
}

// silent lets the client speak and never answers, as far as SQL Server goes here.
func silent(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) }

// mail speaks enough SMTP to take a message and drop it. The server speaks first, which matters to
// a mesh that would guess the protocol from the client.
func mail(connection net.Conn) {
	say := func(line string) bool {
		_, err := io.WriteString(connection, line+"\r\n")
		return err == nil
	}
	if !say("220 mailserver ESMTP") {
		return
	}
	lines := bufio.NewScanner(connection)
	body := false
	for lines.Scan() {
		line := lines.Text()
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		answer := "250 OK"
		switch {
		case body && line != ".":
			continue
		case body:
			body = false
		case word == "DATA":
			answer, body = "354 End with a line that holds a dot", true
		case word == "QUIT":
			say("221 Bye")
			return
		}
		if !say(answer) {
			return
		}
	}
}
