package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// record is one object of an API, by the property names Pitstop's APIs use.
type record map[string]any

// collection is a REST resource kept in memory, in the order things were added.
type collection struct {
	key      string   // the property that identifies a record
	required []string // the properties a new record must have
	mutex    sync.RWMutex
	records  []record
}

func (c *collection) find(id string) (record, bool) {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	for _, candidate := range c.records {
		if candidate[c.key] == id {
			return candidate, true
		}
	}
	return nil, false
}

func (c *collection) all() []record {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	return append([]record{}, c.records...)
}

func (c *collection) add(added record) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.records = append(c.records, added)
}

// read answers the list and the single records of a collection under a path.
func (s *service) read(mux *http.ServeMux, path string, items *collection) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		answer := []record{}
		for _, item := range items.all() {
			answer = append(answer, s.signed(item))
		}
		writeJSON(w, http.StatusOK, answer)
	})
	mux.HandleFunc("GET "+path+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		item, found := items.find(r.PathValue("id"))
		if !found {
			problem(w, http.StatusNotFound, items.key+" "+r.PathValue("id")+" is not known")
			return
		}
		writeJSON(w, http.StatusOK, s.signed(item))
	})
}

// write accepts new records under a path, if the event they cause can be published.
func (s *service) write(mux *http.ServeMux, path string, items *collection, event string) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		added, ok := decode(w, r, append([]string{items.key}, items.required...))
		if !ok {
			return
		}
		id := fmt.Sprint(added[items.key])
		if _, exists := items.find(id); exists {
			problem(w, http.StatusConflict, items.key+" "+id+" exists")
			return
		}
		items.add(added)
		// Pitstop writes to the database first and publishes afterwards, without undoing the
		// first when the second fails.
		if !s.published(w, r, event, added) {
			return
		}
		w.Header().Set("Location", path+"/"+id)
		writeJSON(w, http.StatusCreated, s.signed(added))
	})
}

// signed adds who answered to a record.
func (s *service) signed(item record) record {
	answer := record{"servedBy": s.identity}
	for name, value := range item {
		answer[name] = value
	}
	return answer
}

func (s *service) published(w http.ResponseWriter, r *http.Request, kind string, about record) bool {
	if err := s.exchange("RabbitMQPublisher").publish(r.Context(), kind, about); err != nil {
		s.log.Error("event not published", "type", kind, "error", err.Error())
		problem(w, http.StatusInternalServerError, "the event could not be published")
		return false
	}
	return true
}

func decode(w http.ResponseWriter, r *http.Request, required []string) (record, bool) {
	added := record{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&added); err != nil {
		problem(w, http.StatusBadRequest, "the body must be a JSON object")
		return nil, false
	}
	for _, name := range required {
		if text, ok := added[name].(string); !ok || text == "" {
			problem(w, http.StatusBadRequest, name+" is required")
			return nil, false
		}
	}
	return added, true
}

// api waits for the database as Pitstop's migrations do, before the port opens, and serves then.
func (s *service) api(ctx context.Context, port int, mux *http.ServeMux, database string, health healthy) error {
	address := s.databaseAddress(database)
	if err := s.awaitDatabase(ctx, address); err != nil {
		return err
	}
	mux.HandleFunc("GET /swagger/v1/swagger.json", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"openapi": "3.0.4", "info": map[string]string{"title": s.Service, "version": "v1"}, "paths": map[string]any{},
		})
	})
	if health == nil {
		health = func(ctx context.Context) error { return reachable(ctx, address) }
	}
	return s.serve(ctx, s.listenAddress(port), mux, health)
}

func runCustomers(ctx context.Context, s *service) error {
	mux := http.NewServeMux()
	items := customers()
	s.read(mux, "/api/customers", items)
	s.write(mux, "/api/customers", items, "CustomerRegistered")
	return s.api(ctx, 5100, mux, "CustomerManagementCN", nil)
}

func runVehicles(ctx context.Context, s *service) error {
	mux := http.NewServeMux()
	items := vehicles()
	s.read(mux, "/api/vehicles", items)
	s.write(mux, "/api/vehicles", items, "VehicleRegistered")
	return s.api(ctx, 5000, mux, "VehicleManagementCN", nil)
}

// workshop keeps one collection of jobs for each day that was planned.
type workshop struct {
	*service
	mutex sync.Mutex
	days  map[string]*collection
	// Pitstop creates its event store on the first request to the planning, and is unhealthy until then.
	eventStore atomic.Bool
}

func runWorkshop(ctx context.Context, s *service) error {
	mux := http.NewServeMux()
	shop := &workshop{service: s, days: map[string]*collection{}}
	s.read(mux, "/api/refdata/customers", customers())
	s.read(mux, "/api/refdata/vehicles", vehicles())
	const day = "/api/workshopplanning/{date}"
	mux.HandleFunc("GET "+day, shop.planning(shop.show))
	mux.HandleFunc("POST "+day, shop.planning(shop.open))
	mux.HandleFunc("GET "+day+"/jobs", shop.planning(shop.jobs))
	mux.HandleFunc("POST "+day+"/jobs", shop.planning(shop.plan))
	mux.HandleFunc("GET "+day+"/jobs/{id}", shop.planning(shop.job))
	mux.HandleFunc("PUT "+day+"/jobs/{id}/finish", shop.planning(shop.finish))
	return s.api(ctx, 5200, mux, "EventStoreCN", func(ctx context.Context) error {
		if !shop.eventStore.Load() {
			return errors.New("the event store does not exist yet")
		}
		return errors.Join(
			reachable(ctx, s.databaseAddress("EventStoreCN")), reachable(ctx, s.databaseAddress("WorkshopManagementCN")),
		)
	})
}

// planning gives a handler the jobs of the day in the path, nil where that day was never planned.
func (s *workshop) planning(handle func(http.ResponseWriter, *http.Request, string, *collection)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.eventStore.Store(true)
		date := r.PathValue("date")
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			problem(w, http.StatusBadRequest, "the date must look like 2026-01-31")
			return
		}
		s.mutex.Lock()
		jobs := s.days[date]
		s.mutex.Unlock()
		if jobs == nil && r.Method != http.MethodPost {
			problem(w, http.StatusNotFound, "nothing is planned on "+date)
			return
		}
		handle(w, r, date, jobs)
	}
}

func (s *workshop) show(w http.ResponseWriter, _ *http.Request, date string, jobs *collection) {
	writeJSON(w, http.StatusOK, s.signed(record{"id": date, "date": date, "jobs": jobs.all()}))
}

func (s *workshop) open(w http.ResponseWriter, r *http.Request, date string, _ *collection) {
	s.day(date)
	if !s.published(w, r, "WorkshopPlanningCreated", record{"date": date}) {
		return
	}
	writeJSON(w, http.StatusCreated, s.signed(record{"id": date, "date": date, "jobs": []record{}}))
}

func (s *workshop) jobs(w http.ResponseWriter, _ *http.Request, _ string, jobs *collection) {
	writeJSON(w, http.StatusOK, jobs.all())
}

func (s *workshop) job(w http.ResponseWriter, r *http.Request, _ string, jobs *collection) {
	if item, found := jobs.find(r.PathValue("id")); found {
		writeJSON(w, http.StatusOK, s.signed(item))
		return
	}
	problem(w, http.StatusNotFound, "job "+r.PathValue("id")+" is not known")
}

func (s *workshop) plan(w http.ResponseWriter, r *http.Request, date string, _ *collection) {
	added, ok := decode(w, r, []string{"jobId", "description"})
	if !ok {
		return
	}
	added["id"], added["status"] = added["jobId"], "Planned"
	s.day(date).add(added)
	if s.published(w, r, "MaintenanceJobPlanned", added) {
		writeJSON(w, http.StatusOK, s.signed(added))
	}
}

func (s *workshop) finish(w http.ResponseWriter, r *http.Request, _ string, jobs *collection) {
	id := r.PathValue("id")
	if !jobs.change(id, "status", "Completed") {
		problem(w, http.StatusNotFound, "job "+id+" is not known")
		return
	}
	if s.published(w, r, "MaintenanceJobFinished", record{"jobId": id}) {
		w.WriteHeader(http.StatusOK)
	}
}

func (s *workshop) day(date string) *collection {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.days[date] == nil {
		s.days[date] = &collection{key: "id"}
	}
	return s.days[date]
}

// change replaces a record by a copy with one property set: readers may still hold the old one.
func (c *collection) change(id, name string, value any) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for index, current := range c.records {
		if current[c.key] == id {
			changed := record{}
			for key, kept := range current {
				changed[key] = kept
			}
			changed[name] = value
			c.records[index] = changed
			return true
		}
	}
	return false
}
