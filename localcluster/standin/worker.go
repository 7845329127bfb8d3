package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// worker is a service without a port: it waits for its database, looks for its broker once, and works.
type worker struct {
	database string // name of its connection string, where it has a database
	broker   string // settings group that names the broker
	files    string // setting that names the folder it writes to, where it does
}

func (w worker) run(ctx context.Context, s *service) error {
	if w.database != "" {
		if err := s.awaitDatabase(ctx, s.databaseAddress(w.database)); err != nil {
			return err
		}
	}
	folder := ""
	if w.files != "" {
		folder = s.env.or(w.files, "/var/log/pitstop/auditlog")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	// Pitstop looks for its broker once: a worker that starts before the broker stays up and never
	// works. An environment whose order is wrong must show here too.
	address := s.brokerAddress(w.broker)
	err := reachable(ctx, address)
	if err != nil {
		s.log.Error("no broker at start: this worker will never see an event", "address", address, "error", err.Error())
	} else {
		s.log.Info("working", "broker", address)
	}
	return w.loop(ctx, s, folder, err == nil)
}

func (w worker) loop(ctx context.Context, s *service, folder string, working bool) error {
	ticks := time.NewTicker(s.env.duration("PITSTOP_TICK", 30*time.Second))
	defer ticks.Stop()
	for {
		if folder != "" && working {
			if err := appendLine(filepath.Join(folder, time.Now().Format(time.DateOnly)+"-auditlog.txt"), "no events"); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			s.log.Info("stopping")
			return nil
		case <-ticks.C:
			s.log.Info("tick", "working", working)
		}
	}
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(time.Now().Format(time.RFC3339) + " " + line + "\n")
	return err
}
