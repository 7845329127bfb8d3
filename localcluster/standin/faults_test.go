package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// asking sends a request with headers, and answers what came back and after how long.
func asking(t *testing.T, address string, headers map[string]string) (*http.Response, time.Duration) {
	t.Helper()
	request, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return response, time.Since(begin)
}

func customersWith(t *testing.T, env environment) (string, *lines) {
	t.Helper()
	return running(t, "customermanagementapi", sql("CustomerManagementCN", port(t, silent)).with(env))
}

func TestARequestMayNameItsFateWhereThatIsTurnedOn(t *testing.T) {
	address, log := customersWith(t, environment{"PITSTOP_STANDIN_CONTROLS": "true"})
	for _, c := range []struct {
		path    string
		headers map[string]string
		status  int
		atLeast time.Duration
	}{
		{"/api/customers", nil, 200, 0},
		{"/api/customers?standin-status=503", nil, 503, 0},
		{"/api/customers", map[string]string{"standin-status": "404"}, 404, 0},
		{"/api/customers?standin-status=500", map[string]string{"standin-status": "502"}, 502, 0},
		{"/api/customers?standin-delay=150ms", nil, 200, 150 * time.Millisecond},
		{"/api/customers", map[string]string{"standin-delay": "150ms", "standin-status": "503"}, 503, 150 * time.Millisecond},
		{"/api/customers?standin-status=200", nil, 400, 0},
		{"/api/customers?standin-status=soon", nil, 400, 0},
		{"/api/customers?standin-delay=2h", nil, 400, 0},
		{"/api/customers?standin-delay=-1s", nil, 400, 0},
		{"/hc?standin-status=503", nil, 200, 0},
		{"/swagger/v1/swagger.json?standin-status=503", nil, 200, 0},
	} {
		response, took := asking(t, address+c.path, c.headers)
		if response.StatusCode != c.status || took < c.atLeast || c.atLeast == 0 && took > time.Second {
			t.Errorf("%s %v: %d after %s", c.path, c.headers, response.StatusCode, took)
		}
		if asked := response.Header.Get(faultHeader) == "request"; asked != (c.status != 200 && c.status != 400) {
			t.Errorf("%s %v: %v", c.path, c.headers, response.Header)
		}
	}
	if found := logged(t, log); found[1]["status"] != 503.0 || found[1]["query"] != "standin-status=503" {
		t.Errorf("%v", found[1])
	}
}

func TestNoRequestMayNameItsFateElsewhere(t *testing.T) {
	for _, value := range []string{"", "false", "1"} {
		address, _ := customersWith(t, environment{"PITSTOP_STANDIN_CONTROLS": value})
		response, _ := asking(t, address+"/api/customers?standin-status=503", map[string]string{"standin-status": "503"})
		if response.StatusCode != 200 {
			t.Errorf("%q: %d", value, response.StatusCode)
		}
	}
}

func TestAProcessFailsAsOftenAsItWasStartedTo(t *testing.T) {
	const requests = 200
	for _, c := range []struct {
		env         environment
		status      int
		least, most int
	}{
		{environment{"PITSTOP_FAIL_PERCENT": "100"}, 503, requests, requests},
		{environment{"PITSTOP_FAIL_PERCENT": "100", "PITSTOP_FAIL_STATUS": "500"}, 500, requests, requests},
		{environment{"PITSTOP_FAIL_PERCENT": "50"}, 503, 40, 160}, // further off once in 10^17 runs
		{environment{"PITSTOP_FAIL_PERCENT": "0"}, 503, 0, 0},
		{nil, 503, 0, 0},
	} {
		address, _ := customersWith(t, c.env)
		failed := 0
		for range requests {
			response, _ := asking(t, address+"/api/customers", nil)
			switch response.StatusCode {
			case c.status:
				failed++
			case 200:
			default:
				t.Fatalf("%v: %d", c.env, response.StatusCode)
			}
		}
		if failed < c.least || failed > c.most {
			t.Errorf("%v: %d of %d failed", c.env, failed, requests)
		}
		if response, _ := asking(t, address+"/hc", nil); response.StatusCode != 200 {
			t.Errorf("%v: /hc %d", c.env, response.StatusCode)
		}
	}
}

func TestACallerThatWentAwayIsLoggedAsSuch(t *testing.T) {
	address, log := customersWith(t, environment{"PITSTOP_STANDIN_CONTROLS": "true"})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "GET", address+"/api/customers?standin-delay=30s", nil)
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(logged(t, log)) == 1 })
	if found := logged(t, log); found[0]["status"] != 499.0 {
		t.Errorf("%v", found)
	}
}

func TestWrongFaultsAreRefusedInOneLine(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"PITSTOP_FAIL_PERCENT", "101"}, {"PITSTOP_FAIL_PERCENT", "-1"}, {"PITSTOP_FAIL_PERCENT", "half"}, {"PITSTOP_FAIL_PERCENT", "NaN"},
		{"PITSTOP_FAIL_STATUS", "200"}, {"PITSTOP_FAIL_STATUS", "x"},
	} {
		env := environment{"PITSTOP_SERVICE": "webapp", "ASPNETCORE_URLS": "http://" + closedPort(t), c.name: c.value}
		err := start(context.Background(), env.get, io.Discard)
		var usage usageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), c.name+"=\""+c.value+"\": must be ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
}
