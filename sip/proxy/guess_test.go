package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// patienceHere is how long an answer of ours is waited for.
const patienceHere = 200 * time.Millisecond

// Where the proxy is the registrar, too, passwords are not guessed, and numbers not
// tried out: whoever does is not heard, and calls for help still.
func TestGuessHere(t *testing.T) {
	p := startRegistrar(t, Config{})
	scanner, at := newPeer(t), p.Addr(0)
	statuses := map[string]int{}
	challenge := scanner.ask(at, register("sip:101@example.com", "g", 1, scanner.addr()))
	for n := range 40 {
		scanner.send(at, register("sip:101@example.com", "g", 2+n, scanner.addr(), answerTo(t, challenge, "REGISTER", "sip:example.com", "101", fmt.Sprint("guess", n), "MD5", 1+n)))
		got, err := scanner.read(patienceHere)
		if err != nil {
			statuses["none"]++
			continue
		}
		statuses[strings.Fields(got)[1]]++
	}
	if statuses["403"] != 20 || statuses["200"] != 0 {
		t.Errorf("got answers %v, want 20 times 403, and no more", statuses)
	}
	scanner.send(at, helpCall("sip:911@example.com", "sip:105@example.com", "h"))
	wantStatus(t, scanner.recv(), "404") // there is no PBX: but it was heard
}
