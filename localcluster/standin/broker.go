package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A broker for where RabbitMQ itself cannot be had: it speaks enough AMQP 0-9-1 to hand every event
// to one consumer of each queue. It keeps nothing: an event nobody is waiting for is gone.

const brokerProduct = "Pitstop stand-in"

// The kinds of frames, and the octet each ends with.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE
	frameMax       = 131072
)

// protocolHeader is the first thing an AMQP 0-9-1 client says, and what a server answers to anything else.
var protocolHeader = []byte("AMQP\x00\x00\x09\x01")

// method is one of AMQP's methods by its class and its own number.
type method struct{ class, number uint16 }

var (
	connectionStart   = method{10, 10}
	connectionStartOk = method{10, 11}
	connectionTune    = method{10, 30}
	connectionClose   = method{10, 50}
	connectionCloseOk = method{10, 51}
	basicPublish      = method{60, 40}
	basicDeliver      = method{60, 60}
	basicConsume      = method{60, 20}
	queueDeclare      = method{50, 10}
)

// answers are the methods that are always taken, with what is said to them.
var answers = map[method]struct {
	with method
	body []byte
}{
	{10, 40}: {method{10, 41}, shortString("")},    // connection.open
	{20, 10}: {method{20, 11}, []byte{0, 0, 0, 0}}, // channel.open
	{20, 40}: {method{20, 41}, nil},                // channel.close
	{40, 10}: {method{40, 11}, nil},                // exchange.declare
	{50, 20}: {method{50, 21}, nil},                // queue.bind
	{60, 10}: {method{60, 11}, nil},                // basic.qos
}

// unanswered are the methods that want no answer: tune-ok, channel.close-ok, ack, reject, nack.
var unanswered = map[method]bool{{10, 31}: true, {20, 41}: true, {60, 80}: true, {60, 90}: true, {60, 120}: true}

type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

// broker hands on what it is given, to whoever is connected.
type broker struct {
	user, password string // empty: everyone may come in
	connections    atomic.Int64
	published      atomic.Int64
	mutex          sync.Mutex
	consumers      []*consumer
}

// consumer is one subscription of a client to a queue.
type consumer struct {
	client    *client
	channel   uint16
	tag       string
	queue     string
	delivered uint64
}

// client is one connection, and the event it is in the middle of sending.
type client struct {
	broker  *broker
	in      *bufio.Reader
	mutex   sync.Mutex // of out: others deliver on this connection too
	out     net.Conn
	header  []byte
	body    []byte
	pending uint64
	route   []byte // exchange and routing key, as they were sent
}

// talk serves one connection until either side has enough.
func (b *broker) talk(connection net.Conn) {
	b.connections.Add(1)
	defer b.connections.Add(-1)
	c := &client{broker: b, in: bufio.NewReader(connection), out: connection}
	defer b.leave(c)
	greeting := make([]byte, len(protocolHeader))
	if _, err := io.ReadFull(c.in, greeting); err != nil {
		return
	}
	if !bytes.Equal(greeting, protocolHeader) {
		_, _ = c.out.Write(protocolHeader)
		return
	}
	if c.say(0, connectionStart, greet()) != nil {
		return
	}
	for {
		received, err := c.receive()
		if err != nil || c.handle(received) != nil {
			return
		}
	}
}

// greet is what connection.start says: the version, who this is, and how to log in.
func greet() []byte {
	product := append(shortString("product"), append([]byte{'S'}, longString(brokerProduct)...)...)
	body := []byte{0, 9}
	body = append(body, longString(string(product))...)
	body = append(body, longString("PLAIN")...)
	return append(body, longString("en_US")...)
}

func (c *client) receive() (frame, error) {
	head := make([]byte, 7)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head[3:])
	if size > frameMax {
		return frame{}, fmt.Errorf("a frame of %d octets", size)
	}
	payload := make([]byte, size+1)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return frame{}, err
	}
	if payload[size] != frameEnd {
		return frame{}, errors.New("a frame without an end")
	}
	return frame{head[0], binary.BigEndian.Uint16(head[1:]), payload[:size]}, nil
}

// send writes frames without letting those of another delivery in between.
func (c *client) send(frames ...frame) error {
	var all []byte
	for _, f := range frames {
		all = append(all, f.kind)
		all = binary.BigEndian.AppendUint16(all, f.channel)
		all = binary.BigEndian.AppendUint32(all, uint32(len(f.payload)))
		all = append(append(all, f.payload...), frameEnd)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// A client that does not read must not hold up the others.
	if err := c.out.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err := c.out.Write(all)
	return err
}

func (m method) frame(channel uint16, body []byte) frame {
	payload := binary.BigEndian.AppendUint16(nil, m.class)
	payload = binary.BigEndian.AppendUint16(payload, m.number)
	return frame{frameMethod, channel, append(payload, body...)}
}

func (c *client) say(channel uint16, m method, body []byte) error {
	return c.send(m.frame(channel, body))
}

// handle does what a frame asks for; an error ends the connection.
func (c *client) handle(received frame) error {
	switch {
	case received.kind == frameHeartbeat:
		return c.send(received)
	case received.kind == frameHeader && len(received.payload) >= 12:
		c.header, c.body, c.pending = received.payload, nil, binary.BigEndian.Uint64(received.payload[4:])
		if c.pending > frameMax-8 {
			return c.refuse(311, "CONTENT_TOO_LARGE - an event must fit into one frame")
		}
		return c.complete()
	case received.kind == frameBody:
		c.body = append(c.body, received.payload...)
		return c.complete()
	case received.kind != frameMethod || len(received.payload) < 4:
		return errors.New("a frame of no known kind")
	}
	asked := method{binary.BigEndian.Uint16(received.payload), binary.BigEndian.Uint16(received.payload[2:])}
	return c.obey(received.channel, asked, received.payload[4:])
}

func (c *client) obey(channel uint16, asked method, arguments []byte) error {
	if answer, known := answers[asked]; known {
		return c.say(channel, answer.with, answer.body)
	}
	if unanswered[asked] {
		return nil
	}
	switch asked {
	case connectionStartOk:
		return c.login(arguments)
	case queueDeclare:
		queue, _ := cutShortString(afterReserved(arguments))
		return c.say(channel, method{50, 11}, append(shortString(queue), make([]byte, 8)...))
	case basicConsume:
		return c.subscribe(channel, arguments)
	case basicPublish:
		exchange, rest := cutShortString(afterReserved(arguments))
		key, _ := cutShortString(rest)
		c.route = append(shortString(exchange), shortString(key)...)
		return nil
	case connectionClose:
		_ = c.say(0, connectionCloseOk, nil)
		return io.EOF
	}
	return c.refuse(540, fmt.Sprintf("NOT_IMPLEMENTED - method %d.%d", asked.class, asked.number))
}

// login takes SASL PLAIN, as every client of RabbitMQ sends it.
func (c *client) login(arguments []byte) error {
	plain := []byte("\x00" + c.broker.user + "\x00" + c.broker.password)
	if c.broker.user != "" && !bytes.Contains(arguments, longStringOf(plain)) {
		return c.refuse(403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN")
	}
	tune := binary.BigEndian.AppendUint16(nil, 2047)
	tune = binary.BigEndian.AppendUint32(tune, frameMax)
	return c.say(0, connectionTune, binary.BigEndian.AppendUint16(tune, 60))
}

func (c *client) refuse(code uint16, reason string) error {
	body := append(binary.BigEndian.AppendUint16(nil, code), shortString(reason)...)
	_ = c.say(0, connectionClose, append(body, 0, 0, 0, 0))
	return errors.New(reason)
}

func (c *client) subscribe(channel uint16, arguments []byte) error {
	queue, rest := cutShortString(afterReserved(arguments))
	tag, _ := cutShortString(rest)
	// Whoever reads the answer may count on the next event, and not have one before it.
	c.broker.mutex.Lock()
	defer c.broker.mutex.Unlock()
	if err := c.say(channel, method{60, 21}, shortString(tag)); err != nil {
		return err
	}
	c.broker.consumers = append(c.broker.consumers, &consumer{client: c, channel: channel, tag: tag, queue: queue})
	return nil
}

// complete hands an event on once all of it has come.
func (c *client) complete() error {
	if uint64(len(c.body)) < c.pending {
		return nil
	}
	c.broker.published.Add(1)
	c.broker.handOn(c.route, c.header, c.body)
	return nil
}

// handOn gives an event to one consumer of each queue, in turn where there are several.
func (b *broker) handOn(route, header, body []byte) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	served := map[string]bool{}
	var waiting, done []*consumer
	for _, candidate := range b.consumers {
		if served[candidate.queue] {
			waiting = append(waiting, candidate)
			continue
		}
		served[candidate.queue] = true
		done = append(done, candidate)
		candidate.deliver(route, header, body)
	}
	b.consumers = append(waiting, done...)
}

func (c *consumer) deliver(route, header, body []byte) {
	c.delivered++
	about := binary.BigEndian.AppendUint64(shortString(c.tag), c.delivered)
	about = append(append(about, 0), route...)
	frames := []frame{basicDeliver.frame(c.channel, about), {frameHeader, c.channel, header}}
	if len(body) > 0 {
		frames = append(frames, frame{frameBody, c.channel, body})
	}
	_ = c.client.send(frames...) // a consumer that is gone is taken off the list by its own connection
}

func (b *broker) leave(gone *client) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var left []*consumer
	for _, candidate := range b.consumers {
		if candidate.client != gone {
			left = append(left, candidate)
		}
	}
	b.consumers = left
}

// metrics are the few of RabbitMQ's own that hold here, in Prometheus' format.
func (b *broker) metrics(w http.ResponseWriter, _ *http.Request) {
	b.mutex.Lock()
	consumers := len(b.consumers)
	b.mutex.Unlock()
	fmt.Fprintf(w, "rabbitmq_connections %d\nrabbitmq_consumers %d\nrabbitmq_global_messages_received_total %d\n",
		b.connections.Load(), consumers, b.published.Load())
}

func shortString(text string) []byte { return append([]byte{byte(len(text))}, text...) }

func longString(text string) []byte { return longStringOf([]byte(text)) }

func longStringOf(text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// afterReserved is what follows the two octets most methods begin with and no version of AMQP uses.
func afterReserved(arguments []byte) []byte { return arguments[min(2, len(arguments)):] }

// cutShortString takes a short string off the front; arguments that are none give an empty one.
func cutShortString(from []byte) (string, []byte) {
	if len(from) == 0 || len(from) < 1+int(from[0]) {
		return "", nil
	}
	return string(from[1 : 1+int(from[0])]), from[1+int(from[0]):]
}
