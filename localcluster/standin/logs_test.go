package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// logServer is a log server of the stand-in's own kind; its second answer counts what came in.
func logServer(t *testing.T) (*httptest.Server, *archive) {
	t.Helper()
	kept := &archive{events: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+logPath, kept.take)
	mux.HandleFunc("GET /standin/events", kept.count)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, kept
}

// started runs a service from its environment alone, as its image does, and asks it for some pages.
func started(t *testing.T, env environment, pages int) string {
	t.Helper()
	address := closedPort(t)
	ctx, cancel := context.WithCancel(context.Background())
	log := &lines{}
	done := make(chan error, 1)
	settings := environment{"PITSTOP_SERVICE": "webapp", "ASPNETCORE_URLS": "http://" + address}.with(env)
	go func() { done <- start(ctx, settings.get, log) }()
	eventually(t, func() bool {
		response, err := http.Get("http://" + address + "/hc")
		return err == nil && response.Body.Close() == nil
	})
	for range pages {
		send(t, "GET", "http://"+address+"/", "")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return log.String()
}

func TestLogsGoToTheServerTheSettingsName(t *testing.T) {
	server, kept := logServer(t)
	log := started(t, environment{"Serilog__WriteTo__1__Args__serverUrl": server.URL + "/"}, 3)
	lines := strings.Count(log, "\n")
	if kept.events["webapp"] != lines || lines < 5 {
		t.Errorf("%v of %d lines", kept.events, lines)
	}
	if _, body := send(t, "GET", server.URL+"/standin/events", ""); !strings.Contains(body, `"webapp":`) {
		t.Error(body)
	}
}

func TestAServiceRunsWithoutALogServer(t *testing.T) {
	begin := time.Now()
	log := started(t, environment{"Serilog__WriteTo__1__Args__serverUrl": "http://" + closedPort(t)}, 2)
	if strings.Count(log, `"msg":"request"`) != 2 || time.Since(begin) > 5*time.Second {
		t.Errorf("after %s: %s", time.Since(begin), log)
	}
}

func TestTheMinimumLevelIsSerilogs(t *testing.T) {
	for level, requests := range map[string]int{"": 1, "Information": 1, "Debug": 1, "Warning": 0, "error": 0, "nonsense": 1} {
		env := environment{"Serilog__MinimumLevel": level, "Serilog__WriteTo__1__Args__serverUrl": "http://" + closedPort(t)}
		if got := strings.Count(started(t, env, 1), `"msg":"request"`); got != requests {
			t.Errorf("%q: %d lines", level, got)
		}
	}
}

func TestALogServerTakesEventsAndNothingElse(t *testing.T) {
	server, kept := logServer(t)
	event := string(compact([]byte(`{"time":"2026-01-31T10:00:00Z","level":"INFO","msg":"m","service":"webapp"}`)))
	for body, status := range map[string]int{
		event: 201, event + event: 201, "": 201, "nonsense": 400, `{"service":"webapp"}`: 400, strings.Repeat("x", 9<<20): 400,
	} {
		if response, _ := send(t, "POST", server.URL+logPath, body); response.StatusCode != status {
			t.Errorf("%.80s: %d", body, response.StatusCode)
		}
	}
	if kept.events["webapp"] != 3 {
		t.Errorf("%v", kept.events)
	}
	if compact([]byte("nonsense")) != nil {
		t.Error("nonsense became an event")
	}
}

func TestLogsNeverHoldAServiceUp(t *testing.T) {
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }))
	defer stuck.Close()
	ships := newShipper(environment{"Serilog__WriteTo__1__Args__serverUrl": stuck.URL}.get)
	begin := time.Now()
	for range 2 * logPending {
		if _, err := ships.Write([]byte("{}\n")); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took > time.Second || ships.lost.Load() != logPending {
		t.Errorf("%s, %d lost", took, ships.lost.Load())
	}
	_ = ships.alongside(func() error { return nil })
	if took := time.Since(begin); took > 10*time.Second || ships.lost.Load() != 2*logPending {
		t.Errorf("%s, %d lost", took, ships.lost.Load())
	}
}
