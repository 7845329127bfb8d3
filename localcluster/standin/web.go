package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// drain is how long a service still answers after it was told to end, so that callers that have
// not yet heard of it find it alive.
const drain = 3 * time.Second

// healthPath is what probes ask for; it is neither logged nor made to fail.
const healthPath = "/hc"

// healthy reports what a service's /hc would; it is asked on every probe.
type healthy func(context.Context) error

func always(context.Context) error { return nil }

// listenAddress follows ASPNETCORE_URLS as the real images do, or takes the port they have baked in.
func (s *service) listenAddress(port int) string {
	first, _, _ := strings.Cut(s.env("ASPNETCORE_URLS"), ";")
	parsed, err := url.Parse(first)
	if err != nil || parsed.Port() == "" {
		return fmt.Sprintf(":%d", port)
	}
	host := parsed.Hostname()
	if host == "+" || host == "*" {
		host = ""
	}
	return net.JoinHostPort(host, parsed.Port())
}

// serve answers on the address until the context ends, then says it is not ready, drains, and stops.
func (s *service) serve(ctx context.Context, address string, mux *http.ServeMux, health healthy) error {
	wanted, err := newFaults(s.env)
	if err != nil {
		return err
	}
	var stopping atomic.Bool
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, r *http.Request) {
		// The bodies are those of ASP.NET Core's health check middleware.
		if err := health(r.Context()); err != nil || stopping.Load() {
			http.Error(w, "Unhealthy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "Healthy")
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.observed(wanted.before(mux)), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	s.log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping.Store(true)
	s.log.Info("stopping")
	select {
	case err := <-ended:
		return err
	case <-time.After(s.env.duration("PITSTOP_DRAIN", drain)):
	}
	limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(limit); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// statusGone is what logs call an answer its caller did not wait for; it has no number of its own.
const statusGone = 499

// statusRecorder remembers what was answered; zero: nothing yet.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *statusRecorder) Write(content []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(content)
}

// outcome is the status a finished request is logged with.
func (r *statusRecorder) outcome(ctx context.Context) int {
	switch {
	case r.status != 0:
		return r.status
	case ctx.Err() != nil:
		return statusGone
	}
	return http.StatusOK
}

// observed names the service in every answer and logs every request but the probes. One line per
// request, also of one that is answered to nobody, is what lets a measurement check the mesh's own
// counts: a proxy says in the host that it sent a copy, and in a header which try this is.
func (s *service) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-pitstop-service", s.Service)
		w.Header().Set("x-pitstop-version", s.Version)
		if r.URL.Path == healthPath {
			next.ServeHTTP(w, r)
			return
		}
		recorder := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(recorder, r)
		s.log.Info("request", "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery,
			"status", recorder.outcome(r.Context()), "host", r.Host, "attempt", r.Header.Get("x-envoy-attempt-count"),
			"requestId", r.Header.Get("x-request-id"), "traceId", traceID(r.Header.Get("traceparent")))
	})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a caller that went away has nobody left to tell
}

// problem answers in the shape ASP.NET Core gives its errors.
func problem(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
