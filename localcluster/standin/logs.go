package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pitstop's services log to standard output and to Seq. The second is a call through the mesh like
// any other, so it is made here too: a policy that forbids it must show.

const (
	logPath    = "/api/events/raw"
	logWait    = 2 * time.Second // as long as Serilog collects before it sends
	logPending = 1000            // lines that wait for a server that does not answer; more are dropped
)

// levels are Serilog's, as far as they have a counterpart.
var levels = map[string]slog.Level{
	"verbose": slog.LevelDebug, "debug": slog.LevelDebug, "information": slog.LevelInfo,
	"warning": slog.LevelWarn, "error": slog.LevelError, "fatal": slog.LevelError,
}

// minimumLevel follows Serilog__MinimumLevel; a word it does not know counts as absent.
func minimumLevel(env settings) slog.Level {
	return levels[strings.ToLower(env("Serilog__MinimumLevel"))] // absent: zero, which is Info
}

// shipper sends what is written to it, line by line, to a log server.
type shipper struct {
	address string
	lines   chan []byte
	lost    atomic.Int64
}

func newShipper(env settings) *shipper {
	server := env.or("Serilog__WriteTo__1__Args__serverUrl", "http://logserver:5341")
	return &shipper{address: strings.TrimSuffix(server, "/") + logPath, lines: make(chan []byte, logPending)}
}

// Write takes one line and never waits: a service does not stop because nobody takes its logs.
func (s *shipper) Write(line []byte) (int, error) {
	select {
	case s.lines <- bytes.Clone(line):
	default:
		s.lost.Add(1)
	}
	return len(line), nil
}

// alongside ships until the work is done, and what is left then once more.
func (s *shipper) alongside(work func() error) error {
	ctx, done := context.WithCancel(context.Background())
	var shipping sync.WaitGroup
	shipping.Add(1)
	go func() {
		defer shipping.Done()
		for {
			select {
			case <-ctx.Done():
				s.ship()
				return
			case <-time.After(logWait):
				s.ship()
			}
		}
	}()
	defer shipping.Wait()
	defer done()
	return work()
}

// ship sends what has been collected; what a server does not take is lost, as it is with Serilog
// once its patience is over.
func (s *shipper) ship() {
	var batch bytes.Buffer
	count := int64(0)
	for collecting := true; collecting; {
		select {
		case line := <-s.lines:
			batch.Write(compact(line))
			count++
		default:
			collecting = false
		}
	}
	if count > 0 && s.post(&batch) != nil {
		s.lost.Add(count)
	}
}

func (s *shipper) post(batch io.Reader) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address, batch)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/vnd.serilog.clef")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", s.address, response.Status)
	}
	return nil
}

// compact gives a line the names Seq knows time, message and level by.
func compact(line []byte) []byte {
	event := map[string]any{}
	if json.Unmarshal(line, &event) != nil {
		return nil
	}
	for ours, theirs := range map[string]string{slog.TimeKey: "@t", slog.MessageKey: "@m", slog.LevelKey: "@l"} {
		event[theirs] = event[ours]
		delete(event, ours)
	}
	written, err := json.Marshal(event)
	if err != nil {
		return nil
	}
	return append(written, '\n')
}

// archive counts the log events it is given, for each service, and keeps none.
type archive struct {
	mutex  sync.Mutex
	events map[string]int
}

func (a *archive) take(w http.ResponseWriter, r *http.Request) {
	lines := bufio.NewScanner(http.MaxBytesReader(w, r.Body, 8<<20))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Time    string `json:"@t"`
			Service string `json:"service"`
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Time == "" {
			problem(w, http.StatusBadRequest, "every line must be an event in compact format")
			return
		}
		a.mutex.Lock()
		a.events[event.Service]++
		a.mutex.Unlock()
	}
	if lines.Err() != nil {
		problem(w, http.StatusBadRequest, "the events could not be read")
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (a *archive) count(w http.ResponseWriter, _ *http.Request) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	writeJSON(w, http.StatusOK, a.events)
}

func runLogserver(ctx context.Context, s *service) error {
	kept := &archive{events: map[string]int{}}
	mux := page("Seq")
	mux.HandleFunc("POST "+logPath, kept.take)
	mux.HandleFunc("GET /standin/events", kept.count) // the stand-in's own
	return s.serve(ctx, ":80", mux, always)
}
