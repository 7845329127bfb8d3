package main

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
)

// traceParent is a W3C trace context: version, trace, span, flags.
var traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)

// traceID is the trace a header puts a request into; empty where it puts it into none.
func traceID(header string) string {
	if found := traceParent.FindStringSubmatch(header); found != nil {
		return found[1]
	}
	return ""
}

// onward answers what ASP.NET Core and its HttpClient make of a request's headers for the calls it
// causes: they belong to the same trace under a span of their own, or begin one. No other header of a
// visitor reaches an API, x-request-id and B3 not either: Pitstop has no code that would do it, so
// routing by such a header works at the first service only.
func onward(received http.Header) http.Header {
	sent := http.Header{}
	trace, flags := "", "00"
	if found := traceParent.FindStringSubmatch(received.Get("traceparent")); found != nil {
		trace, flags = found[1], found[3]
		if state := received.Get("tracestate"); state != "" {
			sent.Set("tracestate", state)
		}
	} else {
		trace = random(16)
	}
	sent.Set("traceparent", "00-"+trace+"-"+random(8)+"-"+flags)
	if baggage := received.Get("baggage"); baggage != "" {
		sent.Set("baggage", baggage)
	}
	return sent
}

func random(octets int) string {
	drawn := make([]byte, octets)
	_, _ = rand.Read(drawn) // never fails where Go runs
	return hex.EncodeToString(drawn)
}
