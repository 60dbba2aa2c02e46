package store

import (
	"perch/gateway"
)

// phoneStates holds the phones that were seen; the directory's are in phones.
var phoneStates = table[gateway.PhoneRecord]{
	name:    "phone_state",
	columns: []string{"phone", "location_id", "source", "unapproved", "unlocated", "state"},
	key:     1,
	fields: func(dst []any, x *gateway.PhoneRecord) []any {
		a := &x.Assignment
		return append(dst, word{&x.Phone}, &a.Location, word{&a.Source}, &a.Unapproved, &a.Unlocated, verbatim{&x.State})
	},
}

// storedPhones are phoneStates as they are read by LoadParts.
var storedPhones = table[gateway.StoredPhone]{
	name: phoneStates.name, columns: phoneStates.columns, key: phoneStates.key,
	fields: func(dst []any, x *gateway.StoredPhone) []any {
		a := &x.Assignment
		return append(dst, word{&x.Phone}, &a.Location, word{&a.Source}, &a.Unapproved, &a.Unlocated, &x.State)
	},
}

var prompts = table[gateway.Prompt]{
	name:    "prompts",
	columns: []string{"id", "phone", "kind", "attachment", "location_id", "recipients", "opened", "closed", "reason"},
	key:     1,
	fields: func(dst []any, x *gateway.Prompt) []any {
		return append(dst,
			&x.ID, word{&x.Phone}, word{&x.Kind}, objectOf(&x.Attachment), &x.Location, listOf(&x.To),
			micros{&x.Opened}, micros{&x.Closed}, word{&x.Reason})
	},
}

var claims = table[gateway.Claim]{
	name: "claims",
	columns: []string{
		"id", "phone", "prompt_id", "answer_id", "attachment", "location_id", "claimed_by",
		"opened", "closed", "state", "decided_by", "reason", "level", "evidence",
	},
	key: 1,
	fields: func(dst []any, x *gateway.Claim) []any {
		return append(dst,
			&x.ID, word{&x.Phone}, &x.Prompt, &x.Answer, objectOf(&x.Attachment), &x.Location, &x.By,
			micros{&x.Opened}, micros{&x.Closed}, word{&x.State}, &x.Decider, &x.Reason, word{&x.Level}, listOf(&x.Evidence))
	},
}

var answers = table[gateway.Answer]{
	name:    "answers",
	columns: []string{"id", "phone", "prompt_id", "kind", "location_id", "answered_by", "time", "claim_id", "rule"},
	key:     1,
	fields: func(dst []any, x *gateway.Answer) []any {
		return append(dst,
			&x.ID, word{&x.Phone}, &x.Prompt, word{&x.Kind}, &x.Location, &x.By, micros{&x.Time}, &x.Claim, objectOf(&x.Rule))
	},
}

var emergencies = table[gateway.Emergency]{
	name: "emergencies",
	columns: []string{
		"id", "call", "time", "opened", "changed", "dialled", "test", "site", "aor", "from_address", "found",
		"phone", "label", "network", "network_on", "since", "heard",
		"location_id", "version", "place", "address", "source", "moving", "unapproved", "unlocated",
		"sent", "why", "elin", "pbx", "status",
		"acknowledged", "acknowledged_by", "acknowledged_via", "reminders", "next",
	},
	key: 1,
	fields: func(dst []any, x *gateway.Emergency) []any {
		return append(dst,
			&x.ID, &x.Name, micros{&x.Time}, micros{&x.Opened}, micros{&x.Changed}, &x.Dialled, &x.Test, &x.Site, &x.AOR, word{&x.From}, &x.Found,
			word{&x.Phone}, &x.Label, &x.Network, objectOf(&x.On), micros{&x.Since}, micros{&x.Heard},
			&x.Location, &x.Version, &x.Place, &x.Address, word{&x.Source}, &x.Moving, &x.Unapproved, &x.Unlocated,
			&x.Sent, &x.Why, &x.ELIN, word{&x.PBX}, &x.Status,
			micros{&x.Acknowledged}, &x.By, &x.Via, &x.Reminders, micros{&x.Next})
	},
}

var events = table[gateway.Event]{
	name:    "events",
	columns: []string{"id", "time", "event", "phone", "data"},
	key:     1,
	fields: func(dst []any, x *gateway.Event) []any {
		return append(dst, &x.ID, micros{&x.Time}, &x.Name, &x.Phone, verbatim{&x.Data})
	},
}

var mails = table[gateway.Mail]{
	name: "mails",
	columns: []string{
		"id", "time", "purpose", "recipient", "subject", "message_id", "prompt_id", "claim_id", "body", "answer_id", "emergency_id",
	},
	key: 1,
	fields: func(dst []any, x *gateway.Mail) []any {
		return append(dst,
			&x.ID, micros{&x.Time}, word{&x.Purpose}, &x.To, &x.Subject, &x.MessageID, &x.Prompt, &x.Claim, blob{&x.Body},
			&x.Answer, &x.Emergency)
	},
}

var sources = table[gateway.Position]{
	name:    "sources",
	columns: []string{"sha256", "frames", "done"},
	key:     1,
	fields: func(dst []any, x *gateway.Position) []any {
		return append(dst, &x.SHA256, &x.Frames, &x.Done)
	},
}
