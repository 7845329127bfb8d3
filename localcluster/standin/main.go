// Standin behaves, seen from outside, as one of Pitstop's services does: its port, its health
// check, its paths, what it waits for and what it breaks on. Which one is decided by its image.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// identity is what an image bakes into its environment.
type identity struct {
	Service string `json:"service"`
	Version string `json:"version"`
}

// settings are the environment of the process, behind a function so that tests need not change their own.
type settings func(key string) string

// or answers the value of a key, or the default Pitstop's images carry.
func (s settings) or(key, standard string) string {
	if value := s(key); value != "" {
		return value
	}
	return standard
}

// duration reads a Go duration; a value that is none counts as absent, for these only tune tests.
func (s settings) duration(key string, standard time.Duration) time.Duration {
	if value, err := time.ParseDuration(s(key)); err == nil {
		return value
	}
	return standard
}

// role runs one service until the context ends.
type role func(context.Context, *service) error

// service is what every role works with.
type service struct {
	identity
	env settings
	log *slog.Logger
}

var roles = map[string]role{
	"webapp":                         runWebapp,
	"customermanagementapi":          runCustomers,
	"vehiclemanagementapi":           runVehicles,
	"workshopmanagementapi":          runWorkshop,
	"workshopmanagementeventhandler": worker{database: "WorkshopManagementCN", queue: "WorkshopManagement"}.run,
	"notificationservice":            worker{database: "NotificationServiceCN", queue: "Notifications", mails: "MaintenanceJobPlanned"}.run,
	"invoiceservice":                 worker{database: "InvoiceServiceCN", queue: "Invoicing", mails: "MaintenanceJobFinished"}.run,
	"auditlogservice":                worker{queue: "Auditlog", files: "Auditlog__path"}.run,
	"timeservice":                    runTime,
	"sqlserver":                      runSQLServer,
	"rabbitmq":                       runRabbitMQ,
	"mailserver":                     runMailserver,
	"logserver":                      runLogserver,
}

// backing are the servers Pitstop leans on; they have logs of their own and send none.
var backing = map[string]bool{"sqlserver": true, "rabbitmq": true, "mailserver": true, "logserver": true}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := start
	if filepath.Base(os.Args[0]) == sqlcmdName {
		run = func(ctx context.Context, env settings, out io.Writer) error {
			return runSqlcmd(ctx, os.Args[1:], env, out)
		}
	}
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(err.Error(), "\n", "; "))
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a mistake in how the image was made or started.
type usageError string

func (e usageError) Error() string { return string(e) }

func start(ctx context.Context, env settings, out io.Writer) error {
	who := identity{Service: env("PITSTOP_SERVICE"), Version: env.or("PITSTOP_VERSION", "1.0")}
	run, known := roles[who.Service]
	if !known {
		return usageError(fmt.Sprintf("PITSTOP_SERVICE=%q: must name a service of Pitstop, for example webapp", who.Service))
	}
	work := func(out io.Writer) error {
		handler := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: minimumLevel(env)})
		log := slog.New(handler).With("service", who.Service, "version", who.Version)
		return run(ctx, &service{identity: who, env: env, log: log})
	}
	var err error
	if backing[who.Service] {
		err = work(out)
	} else {
		ships := newShipper(env)
		err = ships.alongside(func() error { return work(io.MultiWriter(out, ships)) })
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop while still waiting for something
	}
	return err
}
