package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Pitstop's webapp tries a call once and then five times more, at once, before it shows its
// Offline page.
const callAttempts = 6

type webapp struct {
	*service
	client                        *http.Client
	customers, vehicles, workshop string
}

func runWebapp(ctx context.Context, s *service) error {
	location := func(name, standard string) string {
		return "http://" + s.env.or("APIServiceLocations__"+name, standard) + "/api"
	}
	return s.serve(ctx, s.listenAddress(7005), (&webapp{
		service:   s,
		client:    &http.Client{Timeout: 30 * time.Second},
		customers: location("CustomerManagementAPI", "customermanagementapi:5100"),
		vehicles:  location("VehicleManagementAPI", "vehiclemanagementapi:5000"),
		workshop:  location("WorkshopManagementAPI", "workshopmanagementapi:5200"),
	}).routes(), always)
}

func (a *webapp) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /Home", a.home)
	mux.HandleFunc("GET /CustomerManagement", func(w http.ResponseWriter, r *http.Request) {
		a.list(w, r, "Customers", a.customers+"/customers", "customerId", "name", "city")
	})
	mux.HandleFunc("GET /CustomerManagement/Details/{id}", func(w http.ResponseWriter, r *http.Request) {
		a.list(w, r, "Customer", a.customers+"/customers/"+url.PathEscape(r.PathValue("id")),
			"customerId", "name", "address", "postalCode", "city", "telephoneNumber", "emailAddress")
	})
	mux.HandleFunc("POST /CustomerManagement/Register", a.register)
	mux.HandleFunc("GET /VehicleManagement", func(w http.ResponseWriter, r *http.Request) {
		a.list(w, r, "Vehicles", a.vehicles+"/vehicles", "licenseNumber", "brand", "type", "ownerId")
	})
	mux.HandleFunc("GET /WorkshopManagement", func(w http.ResponseWriter, r *http.Request) {
		today := a.workshop + "/workshopplanning/" + time.Now().Format(time.DateOnly)
		a.list(w, r, "Workshop, today", today, "id", "description", "status")
	})
	return mux
}

func (a *webapp) home(w http.ResponseWriter, _ *http.Request) {
	a.page(w, http.StatusOK, view{Title: "Pitstop"})
}

// list shows what an API answers, and which version of it did.
func (a *webapp) list(w http.ResponseWriter, r *http.Request, title, address string, columns ...string) {
	answer, err := a.call(r, http.MethodGet, address, nil)
	if err != nil {
		a.offline(w, err)
		return
	}
	shown := view{Title: title, Columns: columns, Answered: answer.from}
	for _, item := range answer.records {
		cells := make([]string, len(columns))
		for index, column := range columns {
			if value, present := item[column]; present {
				cells[index] = fmt.Sprint(value)
			}
		}
		shown.Rows = append(shown.Rows, cells)
	}
	a.page(w, http.StatusOK, shown)
}

func (a *webapp) register(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(map[string]string{
		"customerId": r.FormValue("Customer.CustomerId"), "name": r.FormValue("Customer.Name"), "city": r.FormValue("Customer.City"),
	})
	if err == nil {
		_, err = a.call(r, http.MethodPost, a.customers+"/customers", body)
	}
	if err != nil {
		a.offline(w, err)
		return
	}
	http.Redirect(w, r, "/CustomerManagement", http.StatusFound)
}

// offline is what a visitor sees when an API could not be reached; Pitstop answers 200 with it.
func (a *webapp) offline(w http.ResponseWriter, err error) {
	a.log.Error("call failed", "error", err.Error())
	a.page(w, http.StatusOK, view{Title: "Offline", Offline: true})
}

type apiAnswer struct {
	records []record
	from    identity
}

func (a *webapp) call(r *http.Request, method, address string, body []byte) (apiAnswer, error) {
	var errs []error
	headers := onward(r.Header)
	if body != nil {
		headers.Set("Content-Type", "application/json")
	}
	for range callAttempts {
		answer, err := a.callOnce(r.Context(), method, address, headers, body)
		if err == nil {
			return answer, nil
		}
		errs = append(errs, err)
		if r.Context().Err() != nil {
			break
		}
	}
	return apiAnswer{}, errors.Join(errs...)
}

func (a *webapp) callOnce(ctx context.Context, method, address string, headers http.Header, body []byte) (apiAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return apiAnswer{}, err
	}
	request.Header = headers.Clone()
	response, err := a.client.Do(request)
	if err != nil {
		return apiAnswer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return apiAnswer{}, err
	}
	answer := apiAnswer{from: identity{
		Service: response.Header.Get("x-pitstop-service"), Version: response.Header.Get("x-pitstop-version"),
	}}
	switch {
	case response.StatusCode == http.StatusNotFound:
		return answer, nil // nothing there is an answer, not a failure
	case response.StatusCode >= 400:
		return apiAnswer{}, fmt.Errorf("%s %s: %s", method, address, response.Status)
	}
	answer.records, err = records(content)
	return answer, err
}

// records takes a list as it is, and a single object as a list of one, or of the jobs it holds.
func records(content []byte) ([]record, error) {
	if strings.HasPrefix(strings.TrimSpace(string(content)), "[") {
		var list []record
		return list, json.Unmarshal(content, &list)
	}
	var single struct {
		Jobs []record `json:"jobs"`
	}
	if err := json.Unmarshal(content, &single); err != nil || single.Jobs != nil {
		return single.Jobs, err
	}
	item := record{}
	return []record{item}, json.Unmarshal(content, &item)
}

type view struct {
	Title    string
	Columns  []string
	Rows     [][]string
	Answered identity
	Offline  bool
	Self     identity
}

var layout = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>{{.Title}} - Pitstop</title>
<style>body{font-family:sans-serif;margin:2rem;max-width:60rem}td,th{padding:.2rem 1rem;text-align:left}
footer,.from{color:#666}nav a{margin-right:1rem}</style>
</head>
<body>
<nav><a href="/">Home</a><a href="/CustomerManagement">Customers</a><a href="/VehicleManagement">Vehicles</a>
<a href="/WorkshopManagement">Workshop</a></nav>
<h1>{{.Title}}</h1>
{{if .Offline}}<p>The service is offline. Please try again later.</p>{{end}}
{{if .Columns}}<table><tr>{{range .Columns}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>{{end}}
{{with .Answered}}{{if .Version}}<p class="from" data-service="{{.Service}}" data-version="{{.Version}}">Answered by {{.Service}} {{.Version}}</p>{{end}}{{end}}
<footer>{{.Self.Service}} {{.Self.Version}}, standing in for Pitstop</footer>
</body>
</html>
`))

func (a *webapp) page(w http.ResponseWriter, status int, shown view) {
	shown.Self = a.identity
	var body bytes.Buffer
	if err := layout.Execute(&body, shown); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}
