package portal

import (
	"fmt"
	"testing"

	"perch/gateway"
)

func TestConfirm(t *testing.T) {
	w := newWorld(t)
	id, p := w.knownPort(), w.browser()
	page := p.open(gateway.MailPrompt, id, alice)
	page.has(t, 200, "Is your desk phone “Reception” at Fourth floor?", "100 Main Street", "Building A, Floor 4", "Yes, the phone is here",
		"port Gi1/0/2 of switch sw-4fl", "Room 401", "SIP-T46S", "bob@example.com")
	path := fmt.Sprintf("/prompts/%d", id)
	if page.path != path {
		t.Errorf("led to %s, want %s", page.path, path)
	}
	page = p.post(path, "do", "confirm", "exact", "hq-401")
	page.has(t, 200, "Thank you", "Room 401", "Take my answer back")
	if page.path != path {
		t.Errorf("led to %s, want %s", page.path, path)
	}
}
