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
	"workshopmanagementeventhandler": worker{database: "WorkshopManagementCN", broker: "RabbitMQHandler"}.run,
	"notificationservice":            worker{database: "NotificationServiceCN", broker: "RabbitMQHandler"}.run,
	"invoiceservice":                 worker{database: "InvoiceServiceCN", broker: "RabbitMQHandler"}.run,
	"auditlogservice":                worker{broker: "RabbitMQHandler", files: "Auditlog__path"}.run,
	"timeservice":                    worker{broker: "RabbitMQPublisher"}.run,
	"sqlserver":                      runSQLServer,
	"rabbitmq":                       runRabbitMQ,
	"mailserver":                     runMailserver,
	"logserver":                      runLogserver,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, os.Getenv, os.Stdout); err != nil {
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
	logger := slog.New(slog.NewJSONHandler(out, nil)).With("service", who.Service, "version", who.Version)
	err := run(ctx, &service{identity: who, env: env, log: logger})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop while still waiting for something
	}
	return err
}
