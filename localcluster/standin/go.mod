// Stands in for Pitstop's images: one program for every service, and the pause container. The standard
// library, and RabbitMQ's own client.
module pitstop.local/standin

go 1.22

require github.com/rabbitmq/amqp091-go v1.16.0
