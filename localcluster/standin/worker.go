package main

import (
	"context"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// worker is a service without a port: it waits for its database, looks for its broker once, and works.
type worker struct {
	database string // name of its connection string
	queue    string // its queue, where its settings name no other
	files    string // setting that names the folder it writes what it hears to
	mails    string // the event it remembers until the day is over, and then sends a mail about
}

// desk is a worker at work.
type desk struct {
	worker
	*service
	folder string
	noted  int // events to send a mail about
}

func (w worker) run(ctx context.Context, s *service) error {
	if w.database != "" {
		if err := s.awaitDatabase(ctx, s.databaseAddress(w.database)); err != nil {
			return err
		}
	}
	at := &desk{worker: w, service: s}
	if w.files != "" {
		at.folder = s.env.or(w.files, "/var/log/pitstop/auditlog")
		if err := os.MkdirAll(at.folder, 0o755); err != nil {
			return err
		}
	}
	return at.work(ctx)
}

func (d *desk) work(ctx context.Context) error {
	const group = "RabbitMQHandler"
	source := subscription{d.exchange(group), d.env.or(group+"__Queue", d.queue), d.env(group + "__RoutingKey")}
	connection, deliveries, err := source.open()
	if err != nil {
		return d.neverWork(ctx, source.address, err)
	}
	for err == nil {
		d.log.Info("working", "broker", source.address, "queue", source.queue)
		if failed := take(ctx, connection, deliveries, d.handle); failed != nil {
			return failed
		}
		connection, deliveries, err = d.reopen(ctx, source)
	}
	return nil // told to stop
}

// reopen makes a connection that was there once again, for as long as it takes.
func (d *desk) reopen(ctx context.Context, source subscription) (*amqp.Connection, <-chan amqp.Delivery, error) {
	for d.pause(ctx, d.env.duration("PITSTOP_RETRY", brokerPause)) {
		connection, deliveries, err := source.open()
		if err == nil {
			return connection, deliveries, nil
		}
		d.log.Warn("the broker is gone", "address", source.address, "error", err.Error())
	}
	return nil, nil, ctx.Err()
}

// neverWork is what becomes of a worker that starts before its broker: Pitstop looks for it once,
// stays up, and hears nothing. An environment whose order is wrong must show here too.
func (s *service) neverWork(ctx context.Context, address string, err error) error {
	s.log.Error("no broker at start: this worker will never see an event", "address", address, "error", err.Error())
	for s.pause(ctx, s.env.duration("PITSTOP_TICK", 30*time.Second)) {
		s.log.Warn("not working: there was no broker at start")
	}
	return nil
}

// pause waits, and tells whether to go on.
func (s *service) pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
		return false
	case <-time.After(length):
		return true
	}
}

func (d *desk) handle(heard event) error {
	if d.folder != "" {
		file := filepath.Join(d.folder, time.Now().Format(time.DateOnly)+"-auditlog.txt")
		if err := appendLine(file, heard.kind+" "+string(heard.body)); err != nil {
			return err
		}
	}
	switch {
	case d.mails == "":
	case heard.kind == d.mails:
		d.noted++
	case heard.kind == dayHasPassed && d.noted > 0:
		d.mail()
	}
	d.log.Info("event", "type", heard.kind)
	return nil
}

// mail sends what was noted; when it cannot, it is tried again the next day.
func (d *desk) mail() {
	address := net.JoinHostPort(d.env.or("Email__Host", "mailserver"), d.env.or("Email__Port", "25"))
	text := fmt.Sprintf("Subject: Pitstop\r\n\r\n%s: %d\r\n", d.mails, d.noted)
	// No login: Pitstop's own code sends a fixed one whatever its settings say, so no server may ask for it.
	err := smtp.SendMail(address, nil, "noreply@pitstop.example", []string{"customer@pitstop.example"}, []byte(text))
	if err != nil {
		d.log.Error("mail not sent", "address", address, "error", err.Error())
		return
	}
	d.log.Info("mail sent", "address", address, "events", d.noted)
	d.noted = 0
}

const dayHasPassed = "DayHasPassed"

// runTime announces every new day, at the length the days have here.
func runTime(ctx context.Context, s *service) error {
	target := s.exchange("RabbitMQPublisher")
	connection, _, err := target.dial()
	if err != nil {
		return s.neverWork(ctx, target.address, err)
	}
	connection.Close()
	s.log.Info("working", "broker", target.address)
	for s.pause(ctx, s.env.duration("PITSTOP_DAY", 24*time.Hour)) {
		if err := target.publish(ctx, dayHasPassed, nil); err != nil {
			s.log.Error("event not published", "type", dayHasPassed, "error", err.Error())
			continue
		}
		s.log.Info("event published", "type", dayHasPassed)
	}
	return nil
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
