package gateway

import (
	"fmt"
	"slices"
)

// word is the text of an enum value in events, tables and mails.
type word interface{ ~uint8 }

// text and parse are the two directions of every enum below.
func text[T word](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return ""
}

func parse[T word](names []string, v *T, b []byte) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fmt.Errorf("%q: want one of %q", b, names[1:])
	}
	*v = T(i)
	return nil
}

var (
	promptKinds  = []string{"", "confirm", "add"}
	closeReasons = []string{"", "answered", "superseded", "returned", "expired", "withdrawn"}
	claimStates  = []string{"", "open", "approved", "rejected"}
	answerKinds  = []string{"", "confirm", "company", "propose", "personal", "add-personal", "not-moved"}
	sources      = []string{"", "wiremap", "confirmed", "chosen", "personal", "admin", "default"}
	deliveries   = []string{"", "waiting", "sent", "refused"}
	purposes     = []string{"", "prompt", "receipt", "claim", "decision", "notice", "reminder", "digest", "incident", "emergency"}
)

// String returns "confirm" or "add".
func (k PromptKind) String() string { return text(promptKinds, k) }

// MarshalText writes String.
func (k PromptKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String writes.
func (k *PromptKind) UnmarshalText(b []byte) error { return parse(promptKinds, k, b) }

// String returns the word of events; "" for an open prompt.
func (r CloseReason) String() string { return text(closeReasons, r) }

// MarshalText writes String.
func (r CloseReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what String writes.
func (r *CloseReason) UnmarshalText(b []byte) error { return parse(closeReasons, r, b) }

// String returns "open", "approved" or "rejected".
func (s ClaimState) String() string { return text(claimStates, s) }

// MarshalText writes String.
func (s ClaimState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *ClaimState) UnmarshalText(b []byte) error { return parse(claimStates, s, b) }

// String returns the flag of `perch prompts answer` that gives the answer.
func (k AnswerKind) String() string { return text(answerKinds, k) }

// MarshalText writes String.
func (k AnswerKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String writes.
func (k *AnswerKind) UnmarshalText(b []byte) error { return parse(answerKinds, k, b) }

// String returns the word of events.
func (s AssignmentSource) String() string { return text(sources, s) }

// MarshalText writes String.
func (s AssignmentSource) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *AssignmentSource) UnmarshalText(b []byte) error { return parse(sources, s, b) }

// String returns the word of events and of the names of mail files.
func (p Purpose) String() string { return text(purposes, p) }

// MarshalText writes String.
func (p Purpose) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String writes.
func (p *Purpose) UnmarshalText(b []byte) error { return parse(purposes, p, b) }

// String returns "waiting", "sent" or "refused".
func (s DeliveryState) String() string { return text(deliveries, s) }

// MarshalText writes String.
func (s DeliveryState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *DeliveryState) UnmarshalText(b []byte) error { return parse(deliveries, s, b) }
