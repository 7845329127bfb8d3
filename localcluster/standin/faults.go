package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What a test of a mesh may ask of a stand-in and Pitstop itself has nothing like: answers that fail
// or come late. All of it is off unless the environment of the process turns it on.
//
//	PITSTOP_FAIL_PERCENT    of all answers but /hc that fail, whoever asks; 0 to 100
//	PITSTOP_FAIL_STATUS     with this status; 400 to 599, 503 where nothing is given
//	PITSTOP_STANDIN_CONTROLS  "true": a request below /api/ may name its own fate, in headers or in its query
//
// Names a request may use then: standin-status (400 to 599) and standin-delay (as Go writes it, up to a minute).
const (
	faultHeader = "x-pitstop-fault" // on every answer that failed on purpose
	statusName  = "standin-status"
	delayName   = "standin-delay"
	longest     = time.Minute
)

// faults are the ones a process was started with.
type faults struct {
	percent  float64
	status   int
	controls bool
}

func newFaults(env settings) (faults, error) {
	wanted := faults{status: http.StatusServiceUnavailable, controls: env("PITSTOP_STANDIN_CONTROLS") == "true"}
	if text := env("PITSTOP_FAIL_PERCENT"); text != "" {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return faults{}, usageError(fmt.Sprintf("PITSTOP_FAIL_PERCENT=%q: must be 0 to 100, for example 100", text))
		}
		wanted.percent = percent
	}
	if text := env("PITSTOP_FAIL_STATUS"); text != "" {
		status, err := failure(text)
		if err != nil {
			return faults{}, usageError("PITSTOP_FAIL_STATUS=" + err.Error())
		}
		wanted.status = status
	}
	return wanted, nil
}

// failure reads a status that is one of a failure.
func failure(text string) (int, error) {
	status, err := strconv.Atoi(text)
	if err != nil || status < 400 || status > 599 {
		return 0, fmt.Errorf("%q: must be 400 to 599, for example 503", text)
	}
	return status, nil
}

// before lets faults have their way with every request but those of probes.
func (f faults) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == healthPath:
		case rand.Float64()*100 < f.percent:
			w.Header().Set(faultHeader, "process")
			problem(w, f.status, "this process was started to fail")
			return
		case f.controls && strings.HasPrefix(r.URL.Path, "/api/"):
			if !obeyed(w, r) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// obeyed does what a request asks for itself, and tells whether it is still to be answered.
func obeyed(w http.ResponseWriter, r *http.Request) bool {
	if text := control(r, delayName); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil || delay < 0 || delay > longest {
			problem(w, http.StatusBadRequest, fmt.Sprintf("%s=%q: must be up to 1m, for example 500ms", delayName, text))
			return false
		}
		select {
		case <-r.Context().Done():
			return false
		case <-time.After(delay):
		}
	}
	text := control(r, statusName)
	if text == "" {
		return true
	}
	status, err := failure(text)
	if err != nil {
		problem(w, http.StatusBadRequest, statusName+"="+err.Error())
		return false
	}
	w.Header().Set(faultHeader, "request")
	problem(w, status, "this request asked for it")
	return false
}

func control(r *http.Request, name string) string {
	if value := r.Header.Get(name); value != "" {
		return value
	}
	return r.URL.Query().Get(name)
}
