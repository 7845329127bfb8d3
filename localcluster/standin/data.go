package main

// What a Pitstop that has been used a little would show.

func customers() *collection {
	return &collection{
		key:      "customerId",
		required: []string{"name"},
		records: []record{
			{
				"customerId": "c-1001", "name": "Femke de Boer", "address": "Dorpsstraat 12", "postalCode": "3511 AB",
				"city": "Utrecht", "telephoneNumber": "+31 30 555 0101", "emailAddress": "femke@pitstop.example",
			},
			{
				"customerId": "c-1002", "name": "Sander Visser", "address": "Havenkade 7", "postalCode": "9711 CD",
				"city": "Groningen", "telephoneNumber": "+31 50 555 0102", "emailAddress": "sander@pitstop.example",
			},
			{
				"customerId": "c-1003", "name": "Noor Willems", "address": "Molenweg 31", "postalCode": "6211 EF",
				"city": "Maastricht", "telephoneNumber": "+31 43 555 0103", "emailAddress": "noor@pitstop.example",
			},
		},
	}
}

func vehicles() *collection {
	return &collection{
		key:      "licenseNumber",
		required: []string{"brand", "type", "ownerId"},
		records: []record{
			{"licenseNumber": "AB-123-C", "brand": "Volvo", "type": "V60", "ownerId": "c-1001"},
			{"licenseNumber": "DE-456-F", "brand": "Fiat", "type": "Panda", "ownerId": "c-1002"},
			{"licenseNumber": "GH-789-J", "brand": "Skoda", "type": "Octavia", "ownerId": "c-1003"},
		},
	}
}
