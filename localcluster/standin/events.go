package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// brokerPatience is how long a broker may take to answer, and pause how long a lost one is left alone.
const (
	brokerPatience = 5 * time.Second
	brokerPause    = 5 * time.Second
)

// exchange is where services tell each other what happened, as one group of a service's settings
// (RabbitMQPublisher or RabbitMQHandler) has it.
type exchange struct {
	address, user, password, host, name string
}

// event is a message as it is on the wire: its kind in a header, the rest as JSON.
type event struct {
	kind string
	body []byte
}

func (s *service) exchange(group string) exchange {
	get := func(name, standard string) string { return s.env.or(group+"__"+name, standard) }
	return exchange{
		address:  net.JoinHostPort(get("Host", "rabbitmq"), get("Port", "5672")),
		user:     get("UserName", "rabbitmquser"),
		password: get("Password", ""),
		host:     get("VirtualHost", "/"),
		name:     get("Exchange", "Pitstop"),
	}
}

// dial opens a connection and declares the exchange, durable and to everyone, as Pitstop does.
func (e exchange) dial() (*amqp.Connection, *amqp.Channel, error) {
	connection, err := amqp.DialConfig((&url.URL{Scheme: "amqp", Host: e.address}).String(), amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: e.user, Password: e.password}},
		Vhost: e.host,
		Dial:  amqp.DefaultDial(brokerPatience),
	})
	if err != nil {
		return nil, nil, err
	}
	channel, err := connection.Channel()
	if err == nil {
		err = channel.ExchangeDeclare(e.name, amqp.ExchangeFanout, true, false, false, false, nil)
	}
	if err != nil {
		connection.Close()
		return nil, nil, err
	}
	return connection, channel, nil
}

// publish tells the exchange that something happened, on a connection of its own: Pitstop's
// publisher makes one for every request.
func (e exchange) publish(ctx context.Context, kind string, about record) error {
	connection, channel, err := e.dial()
	if err != nil {
		return err
	}
	defer connection.Close()
	message := record{"messageType": kind}
	for name, value := range about {
		message[name] = value
	}
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	err = channel.PublishWithContext(ctx, e.name, "", false, false, amqp.Publishing{
		Headers: amqp.Table{"MessageType": kind}, ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	})
	if err != nil {
		return err
	}
	return channel.Close() // answered once what went before has been taken
}

// subscription is a queue that gets everything the exchange is told.
type subscription struct {
	exchange
	queue, key string
}

// open starts to receive; what is not acknowledged comes again after the connection ends.
func (s subscription) open() (*amqp.Connection, <-chan amqp.Delivery, error) {
	connection, channel, err := s.dial()
	if err != nil {
		return nil, nil, err
	}
	if _, err = channel.QueueDeclare(s.queue, true, false, false, false, nil); err == nil {
		err = channel.QueueBind(s.queue, s.key, s.name, false, nil)
	}
	var deliveries <-chan amqp.Delivery
	if err == nil {
		deliveries, err = channel.Consume(s.queue, "", false, false, false, false, nil)
	}
	if err != nil {
		connection.Close()
		return nil, nil, fmt.Errorf("queue %s: %w", s.queue, err)
	}
	return connection, deliveries, nil
}

// take hands events over until the context or the connection ends.
func take(ctx context.Context, connection *amqp.Connection, deliveries <-chan amqp.Delivery, handle func(event) error) error {
	defer connection.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case delivery, open := <-deliveries:
			if !open {
				return nil
			}
			kind, _ := delivery.Headers["MessageType"].(string)
			if err := handle(event{kind, delivery.Body}); err != nil {
				return err
			}
			if err := delivery.Ack(false); err != nil {
				return nil // the connection is gone, and the event will come again
			}
		}
	}
}
