package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type environment map[string]string

func (e environment) get(key string) string { return e[key] }

// lines collects what a service logs.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

func newService(name string, env environment) (*service, *lines) {
	log := &lines{}
	return &service{
		identity: identity{Service: name, Version: "2.0"}, env: env.get, log: slog.New(slog.NewJSONHandler(log, nil)),
	}, log
}

// port listens on loopback and talks to everyone who connects.
func port(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = converse(ctx, listener, talk) }()
	t.Cleanup(func() { cancel(); <-done })
	return listener.Addr().String()
}

func hangUp(net.Conn) {}

func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func sql(name, address string) environment {
	host, port, _ := net.SplitHostPort(address)
	return environment{"ConnectionStrings__" + name: fmt.Sprintf("server=%s,%s;user id=sa;password=x", host, port)}
}

func (e environment) with(more environment) environment {
	all := environment{"PITSTOP_DRAIN": "50ms", "PITSTOP_RETRY": "20ms"}
	for _, part := range []environment{e, more} {
		for key, value := range part {
			all[key] = value
		}
	}
	return all
}

func brokerAt(group, address string) environment {
	host, port, _ := net.SplitHostPort(address)
	return environment{group + "__Host": host, group + "__Port": port, group + "__Password": "right"}
}

// amqpPort is a broker that takes events, and the kinds of what it was told.
func amqpPort(t *testing.T) (string, *broker) {
	t.Helper()
	shared := &broker{user: "rabbitmquser", password: "right"}
	return port(t, shared.talk), shared
}

// running starts a web service on a port of its own and answers its address.
func running(t *testing.T, name string, env environment) (string, *lines) {
	t.Helper()
	address := closedPort(t)
	service, log := newService(name, env.with(environment{"ASPNETCORE_URLS": "http://" + address}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- roles[name](ctx, service) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	})
	eventually(t, func() bool { return strings.Contains(log.String(), "listening") })
	return "http://" + address, log
}

func eventually(t *testing.T, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if true() {
			return
		}
	}
	t.Fatal("did not happen within 10 s")
}

func send(t *testing.T, method, address, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(content)
}

func TestEveryAnswerNamesServiceAndVersion(t *testing.T) {
	database := port(t, silent)
	cases := []struct{ name, database, path string }{
		{"customermanagementapi", "CustomerManagementCN", "/api/customers"},
		{"vehiclemanagementapi", "VehicleManagementCN", "/api/vehicles"},
		{"workshopmanagementapi", "EventStoreCN", "/api/refdata/customers"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			address, _ := running(t, c.name, sql(c.database, database))
			response, body := send(t, "GET", address+c.path, "")
			var list []struct {
				ServedBy identity `json:"servedBy"`
			}
			if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) == 0 {
				t.Fatalf("%s: %v", body, err)
			}
			want := identity{Service: c.name, Version: "2.0"}
			if list[0].ServedBy != want || response.Header.Get("x-pitstop-version") != "2.0" ||
				response.Header.Get("x-pitstop-service") != c.name {
				t.Errorf("got %+v and %v", list[0], response.Header)
			}
		})
	}
}

func TestCustomersCanBeReadAndAdded(t *testing.T) {
	queue, _ := amqpPort(t)
	env := sql("CustomerManagementCN", port(t, silent)).with(brokerAt("RabbitMQPublisher", queue))
	address, _ := running(t, "customermanagementapi", env)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/customers/c-1001", "", 200},
		{"GET", "/api/customers/nobody", "", 404},
		{"POST", "/api/customers", `{"customerId":"c-9","name":"Ada"}`, 201},
		{"POST", "/api/customers", `{"customerId":"c-9","name":"Ada"}`, 409},
		{"GET", "/api/customers/c-9", "", 200},
		{"POST", "/api/customers", `{"customerId":"c-10"}`, 400},
		{"POST", "/api/customers", `no json`, 400},
		{"GET", "/swagger/v1/swagger.json", "", 200},
		{"GET", "/hc", "", 200},
		{"GET", "/elsewhere", "", 404},
	} {
		if response, body := send(t, c.method, address+c.path, c.body); response.StatusCode != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, response.StatusCode, body)
		}
	}
}

func TestAWriteWithoutABrokerFailsAfterItWasKept(t *testing.T) {
	env := sql("CustomerManagementCN", port(t, silent)).with(brokerAt("RabbitMQPublisher", closedPort(t)))
	address, _ := running(t, "customermanagementapi", env)
	if response, _ := send(t, "POST", address+"/api/customers", `{"customerId":"c-9","name":"Ada"}`); response.StatusCode != 500 {
		t.Errorf("status %d", response.StatusCode)
	}
	if response, _ := send(t, "GET", address+"/api/customers/c-9", ""); response.StatusCode != 200 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestAnAPIDoesNotListenBeforeItsDatabaseAnswers(t *testing.T) {
	var up atomic.Bool
	database := port(t, func(connection net.Conn) {
		if up.Load() {
			silent(connection) // before that it is closed at once, as by a sidecar with nothing behind it
		}
	})
	address := closedPort(t)
	service, log := newService("customermanagementapi",
		sql("CustomerManagementCN", database).with(environment{"ASPNETCORE_URLS": "http://" + address}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runCustomers(ctx, service) }()
	eventually(t, func() bool { return strings.Contains(log.String(), "waiting for the database") })
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the port is open")
	}
	up.Store(true)
	eventually(t, func() bool { return strings.Contains(log.String(), "listening") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnAPIGivesUpOnADatabaseThatNeverAnswers(t *testing.T) {
	service, _ := newService("vehiclemanagementapi", sql("VehicleManagementCN", closedPort(t)).with(environment{"PITSTOP_RETRY": "1ms"}))
	if err := runVehicles(context.Background(), service); err == nil || !strings.Contains(err.Error(), "no database at") {
		t.Errorf("ended with %v", err)
	}
}

func TestHealthFollowsTheDatabase(t *testing.T) {
	var down atomic.Bool
	database := port(t, func(connection net.Conn) {
		if !down.Load() {
			silent(connection)
		}
	})
	address, _ := running(t, "vehiclemanagementapi", sql("VehicleManagementCN", database))
	if response, body := send(t, "GET", address+"/hc", ""); response.StatusCode != 200 || body != "Healthy" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	down.Store(true)
	if response, _ := send(t, "GET", address+"/hc", ""); response.StatusCode != 503 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestTheWorkshopIsUnhealthyUntilItsPlanningWasAsked(t *testing.T) {
	queue, _ := amqpPort(t)
	var down atomic.Bool
	readModel := port(t, func(connection net.Conn) {
		if !down.Load() {
			silent(connection)
		}
	})
	env := sql("EventStoreCN", port(t, silent)).with(sql("WorkshopManagementCN", readModel)).with(brokerAt("RabbitMQPublisher", queue))
	address, _ := running(t, "workshopmanagementapi", env)
	day := address + "/api/workshopplanning/2026-01-31"
	for _, c := range []struct {
		method, address, body string
		status                int
	}{
		{"GET", address + "/hc", "", 503},
		{"GET", day, "", 404},
		{"GET", address + "/hc", "", 200},
		{"GET", address + "/api/workshopplanning/today", "", 400},
		{"POST", day, "", 201},
		{"POST", day + "/jobs", `{"jobId":"j-1","description":"brakes"}`, 200},
		{"GET", day + "/jobs/j-1", "", 200},
		{"PUT", day + "/jobs/j-1/finish", "{}", 200},
		{"PUT", day + "/jobs/j-2/finish", "{}", 404},
		{"GET", day + "/jobs", "", 200},
	} {
		if response, body := send(t, c.method, c.address, c.body); response.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.address, response.StatusCode, body)
		}
	}
	if _, body := send(t, "GET", day+"/jobs/j-1", ""); !strings.Contains(body, `"Completed"`) {
		t.Error(body)
	}
	down.Store(true)
	if response, _ := send(t, "GET", address+"/hc", ""); response.StatusCode != 503 {
		t.Errorf("status %d without the second database", response.StatusCode)
	}
}

// api answers the first `failures` calls with 500 and counts all of them.
func api(t *testing.T, failures int32) (environment, *atomic.Int32, *http.Header) {
	t.Helper()
	var calls atomic.Int32
	seen := http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= failures {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		seen = r.Header.Clone()
		w.Header().Set("x-pitstop-service", "customermanagementapi")
		w.Header().Set("x-pitstop-version", "1.0")
		writeJSON(w, 200, []record{{"customerId": "c-1", "name": "Ada <b>", "city": "Delft"}})
	}))
	t.Cleanup(server.Close)
	return environment{"APIServiceLocations__CustomerManagementAPI": strings.TrimPrefix(server.URL, "http://")}, &calls, &seen
}

func TestTheWebappShowsWhoAnswered(t *testing.T) {
	env, _, _ := api(t, 0)
	address, _ := running(t, "webapp", env)
	_, body := send(t, "GET", address+"/CustomerManagement", "")
	for _, part := range []string{`data-service="customermanagementapi" data-version="1.0"`, "Ada &lt;b&gt;", "webapp 2.0"} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
}

func TestTheWebappPassesOnTheTraceOfAVisitAndNothingElse(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	env, _, seen := api(t, 0)
	address, _ := running(t, "webapp", env)
	visit := func(headers map[string]string) {
		t.Helper()
		request, _ := http.NewRequest("GET", address+"/CustomerManagement", nil)
		for name, value := range headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	visit(map[string]string{
		"traceparent": "00-" + trace + "-b7ad6b7169203331-01", "tracestate": "one=1", "baggage": "who=me",
		"x-request-id": "r-1", "x-b3-traceid": trace, "b3": "0", "cookie": "a=b", "x-user": "tester", "standin-status": "503",
	})
	parent := traceParent.FindStringSubmatch(seen.Get("traceparent"))
	if parent == nil || parent[1] != trace || parent[2] == "b7ad6b7169203331" || parent[3] != "01" {
		t.Errorf("traceparent %q", seen.Get("traceparent"))
	}
	if seen.Get("tracestate") != "one=1" || seen.Get("baggage") != "who=me" {
		t.Errorf("%v", *seen)
	}
	for _, name := range []string{"x-request-id", "x-b3-traceid", "b3", "cookie", "x-user", "standin-status"} {
		if seen.Get(name) != "" {
			t.Errorf("%s was passed on", name)
		}
	}
	for _, broken := range []string{"", "00-zz-b7ad6b7169203331-01", "00-" + trace + "-b7ad6b7169203331"} {
		visit(map[string]string{"traceparent": broken, "tracestate": "one=1"})
		if id := traceID(seen.Get("traceparent")); id == "" || id == trace || seen.Get("tracestate") != "" {
			t.Errorf("%q: %v", broken, *seen)
		}
	}
}

func TestTheWebappTriesSixTimesAndThenIsOffline(t *testing.T) {
	for _, c := range []struct {
		failures, calls int32
		offline         bool
	}{{5, 6, false}, {6, 6, true}, {100, 6, true}} {
		env, calls, _ := api(t, c.failures)
		address, _ := running(t, "webapp", env)
		response, body := send(t, "GET", address+"/CustomerManagement", "")
		if offline := strings.Contains(body, "<h1>Offline</h1>"); response.StatusCode != 200 || offline != c.offline || calls.Load() != c.calls {
			t.Errorf("%d failures: status %d, offline %v, %d calls", c.failures, response.StatusCode, offline, calls.Load())
		}
	}
}

func TestTheWebappRunsAlone(t *testing.T) {
	env := environment{"APIServiceLocations__WorkshopManagementAPI": closedPort(t), "APIServiceLocations__VehicleManagementAPI": closedPort(t)}
	address, _ := running(t, "webapp", env)
	for path, part := range map[string]string{"/": "<h1>Pitstop</h1>", "/hc": "Healthy", "/WorkshopManagement": "Offline", "/VehicleManagement": "Offline"} {
		if response, body := send(t, "GET", address+path, ""); response.StatusCode != 200 || !strings.Contains(body, part) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
}

// logged answers every line of a log that is about a request.
func logged(t *testing.T, log *lines) []map[string]any {
	t.Helper()
	var found []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		one := map[string]any{}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if one["msg"] == "request" {
			found = append(found, one)
		}
	}
	return found
}

func TestRequestsAreLoggedAndProbesAreNot(t *testing.T) {
	address, log := running(t, "webapp", nil)
	send(t, "GET", address+"/hc", "")
	request, _ := http.NewRequest("GET", address+"/nowhere?run=7", nil)
	request.Host = "webapp-shadow"
	request.Header.Set("x-envoy-attempt-count", "2")
	request.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if _, err := http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(logged(t, log)) > 0 })
	found := logged(t, log)
	if len(found) != 1 {
		t.Fatalf("%v", found)
	}
	for name, want := range map[string]any{
		"method": "GET", "path": "/nowhere", "query": "run=7", "status": 404.0, "host": "webapp-shadow", "attempt": "2",
		"traceId": "0af7651916cd43dd8448eb211c80319c",
	} {
		if found[0][name] != want {
			t.Errorf("%s: %v", name, found[0][name])
		}
	}
}

func TestAServiceToldToEndIsUnreadyButAnswersForAWhile(t *testing.T) {
	address := closedPort(t)
	service, log := newService("webapp", environment{"ASPNETCORE_URLS": "http://" + address, "PITSTOP_DRAIN": "2s"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runWebapp(ctx, service) }()
	eventually(t, func() bool { return strings.Contains(log.String(), "listening") })
	cancel()
	eventually(t, func() bool { return strings.Contains(log.String(), "stopping") })
	if response, _ := send(t, "GET", "http://"+address+"/hc", ""); response.StatusCode != 503 {
		t.Errorf("/hc %d", response.StatusCode)
	}
	if response, _ := send(t, "GET", "http://"+address+"/", ""); response.StatusCode != 200 {
		t.Errorf("/ %d", response.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConnectionStrings(t *testing.T) {
	for text, want := range map[string]string{
		"": "sqlserver:1433",
		"server=sqlserver;user id=sa;password=a=b;database=X;trustServerCertificate=true;": "sqlserver:1433",
		"Data Source=tcp:db.example, 1500;Password=p":                                      "db.example:1500",
		"Server = 10.1.2.3,99": "10.1.2.3:99",
	} {
		service, _ := newService("x", environment{"ConnectionStrings__CN": text})
		if got := service.databaseAddress("CN"); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestListenAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"": ":7005", "http://+:7005": ":7005", "http://*:80;https://*:443": ":80", "http://127.0.0.1:5": "127.0.0.1:5", "nonsense": ":7005",
	} {
		service, _ := newService("x", environment{"ASPNETCORE_URLS": text})
		if got := service.listenAddress(7005); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestMailIsTakenAndDropped(t *testing.T) {
	connection, err := net.Dial("tcp", port(t, mail))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	expect := func(code string) {
		t.Helper()
		if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, code) {
			t.Fatalf("%q %v, not %s", line, err, code)
		}
	}
	expect("220")
	for _, step := range [][2]string{
		{"EHLO here", "250"}, {"MAIL FROM:<a@b>", "250"}, {"RCPT TO:<c@d>", "250"}, {"DATA", "354"},
		{"Subject: QUIT\r\nQUIT\r\n.", "250"}, {"QUIT", "221"},
	} {
		fmt.Fprint(connection, step[0]+"\r\n")
		expect(step[1])
	}
}

func TestWrongStartsAreRefusedInOneLine(t *testing.T) {
	for want, env := range map[string]environment{
		"PITSTOP_SERVICE":   {"PITSTOP_SERVICE": "shop"},
		"ACCEPT_EULA":       {"PITSTOP_SERVICE": "sqlserver"},
		"MSSQL_SA_PASSWORD": {"PITSTOP_SERVICE": "sqlserver", "ACCEPT_EULA": "Y", "MSSQL_SA_PASSWORD": "short"},
	} {
		err := start(context.Background(), env.get, io.Discard)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEndingWhileWaitingIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	env := sql("CustomerManagementCN", closedPort(t)).with(environment{
		"PITSTOP_SERVICE": "customermanagementapi", "Serilog__WriteTo__1__Args__serverUrl": "http://" + closedPort(t),
	})
	if err := start(ctx, env.get, io.Discard); err != nil {
		t.Error(err)
	}
}
