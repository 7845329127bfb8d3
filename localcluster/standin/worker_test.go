package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// working starts a worker, and ends it with the test.
func working(t *testing.T, name string, env environment) *lines {
	t.Helper()
	service, log := newService(name, environment{"PITSTOP_TICK": "10ms"}.with(env))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- roles[name](ctx, service) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	})
	return log
}

func databases(address string) environment {
	return sql("NotificationServiceCN", address).with(sql("InvoiceServiceCN", address)).with(sql("WorkshopManagementCN", address))
}

func has(log *lines, part string) func() bool {
	return func() bool { return strings.Contains(log.String(), part) }
}

// tell publishes events as the APIs do.
func tell(t *testing.T, address string, kinds ...string) {
	t.Helper()
	service, _ := newService("x", brokerAt("RabbitMQPublisher", address))
	for _, kind := range kinds {
		if err := service.exchange("RabbitMQPublisher").publish(context.Background(), kind, record{"jobId": "j-1"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkersWorkOnlyWithTheBrokerTheyFoundAtStart(t *testing.T) {
	database := port(t, silent)
	up, _ := amqpPort(t)
	for name, group := range map[string]string{
		"notificationservice": "RabbitMQHandler", "invoiceservice": "RabbitMQHandler", "auditlogservice": "RabbitMQHandler",
		"workshopmanagementeventhandler": "RabbitMQHandler", "timeservice": "RabbitMQPublisher",
	} {
		env := databases(database).with(environment{"Auditlog__path": t.TempDir()})
		found := working(t, name, env.with(brokerAt(group, up)))
		eventually(t, has(found, `"msg":"working"`))
		for why, wrong := range map[string]environment{
			"nothing there":  brokerAt(group, closedPort(t)),
			"closes at once": brokerAt(group, port(t, hangUp)),
			"wrong password": brokerAt(group, up).with(environment{group + "__Password": "wrong"}),
		} {
			lost := working(t, name, env.with(wrong))
			eventually(t, has(lost, "never see an event"))
			eventually(t, has(lost, "not working"))
			if strings.Contains(lost.String(), `"msg":"working"`) || strings.Contains(lost.String(), "wrong") {
				t.Errorf("%s, %s: %s", name, why, lost)
			}
		}
	}
}

func TestEveryQueueGetsEveryEventWhateverItsSettingsCallIt(t *testing.T) {
	address, shared := amqpPort(t)
	for queue, env := range map[string]environment{
		"Auditlog": nil, "Elsewhere": {"RabbitMQHandler__Queue": "Elsewhere"},
	} {
		folder := t.TempDir()
		log := working(t, "auditlogservice", brokerAt("RabbitMQHandler", address).with(env).with(environment{"Auditlog__path": folder}))
		eventually(t, has(log, `"queue":"`+queue+`"`))
		tell(t, address, "CustomerRegistered", "VehicleRegistered")
		eventually(t, has(log, "VehicleRegistered"))
		written, err := filepath.Glob(filepath.Join(folder, "*-auditlog.txt"))
		if err != nil || len(written) != 1 {
			t.Fatal(written, err)
		}
		text, err := os.ReadFile(written[0])
		if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"jobId":"j-1"`) {
			t.Errorf("%s %v", text, err)
		}
	}
	if shared.published.Load() != 4 {
		t.Errorf("%d events", shared.published.Load())
	}
}

func TestOfOneQueueOneConsumerGetsAnEvent(t *testing.T) {
	address, _ := amqpPort(t)
	settings := brokerAt("RabbitMQHandler", address).with(databases(port(t, silent)))
	one, other := working(t, "invoiceservice", settings), working(t, "invoiceservice", settings)
	eventually(t, has(one, `"msg":"working"`))
	eventually(t, has(other, `"msg":"working"`))
	const events = 6
	for range events {
		tell(t, address, "CustomerRegistered")
	}
	count := func(log *lines) int { return strings.Count(log.String(), `"type":"CustomerRegistered"`) }
	eventually(t, func() bool { return count(one)+count(other) == events })
	if count(one) == 0 || count(other) == 0 {
		t.Errorf("%d and %d", count(one), count(other))
	}
}

func TestAConnectionThatIsLostIsMadeAgain(t *testing.T) {
	shared := &broker{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	up := func(listener net.Listener) func() {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = converse(ctx, listener, shared.talk) }()
		return func() { cancel(); <-done }
	}
	down := up(listener)
	log := working(t, "invoiceservice", brokerAt("RabbitMQHandler", address).with(databases(port(t, silent))))
	eventually(t, has(log, `"msg":"working"`))
	down()
	eventually(t, has(log, "the broker is gone"))
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer up(listener)()
	eventually(t, func() bool { return strings.Count(log.String(), `"msg":"working"`) == 2 })
	tell(t, address, "CustomerRegistered")
	eventually(t, has(log, "CustomerRegistered"))
}

func TestAMailIsSentWhenTheDayIsOverAndThereIsSomethingToSay(t *testing.T) {
	address, _ := amqpPort(t)
	var letters atomic.Int32
	post := port(t, func(connection net.Conn) { letters.Add(1); mail(connection) })
	host, number, _ := net.SplitHostPort(post)
	env := brokerAt("RabbitMQHandler", address).with(databases(port(t, silent)))
	sent := working(t, "notificationservice", env.with(environment{"Email__Host": host, "Email__Port": number}))
	lost := working(t, "invoiceservice", env.with(environment{"Email__Host": "127.0.0.1", "Email__Port": "1"}))
	eventually(t, has(sent, `"msg":"working"`))
	eventually(t, has(lost, `"msg":"working"`))
	tell(t, address, dayHasPassed, "MaintenanceJobPlanned", "MaintenanceJobFinished", dayHasPassed, dayHasPassed, "CustomerRegistered")
	eventually(t, has(sent, "CustomerRegistered"))
	eventually(t, has(lost, "CustomerRegistered"))
	if letters.Load() != 1 || strings.Count(sent.String(), "mail sent") != 1 {
		t.Errorf("%d mails: %s", letters.Load(), sent)
	}
	if strings.Count(lost.String(), "mail not sent") != 2 {
		t.Error(lost)
	}
}

func TestTimeAnnouncesEveryDay(t *testing.T) {
	address, shared := amqpPort(t)
	working(t, "timeservice", brokerAt("RabbitMQPublisher", address).with(environment{"PITSTOP_DAY": "20ms"}))
	eventually(t, func() bool { return shared.published.Load() >= 2 })
}

func TestTheAuditLogNeedsAFolderItCanWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	service, _ := newService("auditlogservice", environment{"Auditlog__path": filepath.Join(file, "log")})
	if err := roles["auditlogservice"](context.Background(), service); err == nil {
		t.Error("started without a folder")
	}
}

// The line a pod waits with, byte for byte: the first thing a broker says is a method frame.
func TestABrokerAnswersTheProtocolHeader(t *testing.T) {
	for _, c := range []struct {
		say  string
		want string
	}{
		{"AMQP\x00\x00\x09\x01", "\x01\x00\x00"},
		{"AMQP\x00\x00\x08\x00", "AMQP\x00\x00\x09\x01"},
		{"GET / HTTP/1.1\r\n\r\n", "AMQP\x00\x00\x09\x01"},
	} {
		address, _ := amqpPort(t)
		connection, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprint(connection, c.say)
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(bufio.NewReader(connection), got); err != nil || string(got) != c.want {
			t.Errorf("%q: %q %v", c.say, got, err)
		}
	}
}

func TestABrokerSurvivesWhatItDoesNotUnderstand(t *testing.T) {
	address, _ := amqpPort(t)
	for _, nonsense := range []string{
		"\x01\x00\x00\x00\x00\x00\x00\xce",                 // a method without a number
		"\x01\x00\x01\x00\x00\x00\x04\x00\x32\x00\x0a\xce", // queue.declare without arguments
		"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x14\xce", // basic.consume without arguments
		"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x28\xce", // basic.publish without arguments
		"\x01\x00\x01\x00\x00\x00\x04\x00\x09\x00\x09\xce", // no such method
		"\x02\x00\x01\x00\x00\x00\x0c\x00\x3c\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xce",
		"\x01\x00\x00\xff\xff\xff\xff",
		"\x01\x00\x00\x00\x00\x00\x01xx",
		"\x08\x00\x00\x00\x00\x00\x00\xce",
	} {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(connection, string(protocolHeader)+nonsense)
		if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, connection)
		connection.Close()
	}
	tell(t, address, "CustomerRegistered")
}

func TestWhatIsPublishedIsDeclaredDurableAndKept(t *testing.T) {
	address, _ := amqpPort(t)
	service, _ := newService("x", brokerAt("RabbitMQHandler", address))
	connection, deliveries, err := subscription{service.exchange("RabbitMQHandler"), "q", ""}.open()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	tell(t, address, "CustomerRegistered")
	select {
	case got := <-deliveries:
		message := map[string]string{}
		if err := json.Unmarshal(got.Body, &message); err != nil {
			t.Fatal(err)
		}
		if got.Headers["MessageType"] != "CustomerRegistered" || message["messageType"] != "CustomerRegistered" ||
			got.DeliveryMode != amqp.Persistent || got.Exchange != "Pitstop" {
			t.Errorf("%+v", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
}

func TestAnAPIPublishesWhatItDid(t *testing.T) {
	queue, _ := amqpPort(t)
	handler, _ := newService("x", brokerAt("RabbitMQHandler", queue))
	connection, deliveries, err := subscription{handler.exchange("RabbitMQHandler"), "q", ""}.open()
	if err != nil {
		t.Fatal(err)
	}
	var mutex sync.Mutex
	var kinds []string
	go func() {
		_ = take(context.Background(), connection, deliveries, func(heard event) error {
			mutex.Lock()
			defer mutex.Unlock()
			kinds = append(kinds, heard.kind)
			return nil
		})
	}()
	defer connection.Close()
	env := sql("EventStoreCN", port(t, silent)).with(brokerAt("RabbitMQPublisher", queue))
	address, _ := running(t, "workshopmanagementapi", env)
	day := address + "/api/workshopplanning/2026-01-31"
	send(t, "POST", day, "")
	send(t, "POST", day+"/jobs", `{"jobId":"j-1","description":"brakes"}`)
	send(t, "PUT", day+"/jobs/j-1/finish", "{}")
	eventually(t, func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return strings.Join(kinds, " ") == "WorkshopPlanningCreated MaintenanceJobPlanned MaintenanceJobFinished"
	})
}
