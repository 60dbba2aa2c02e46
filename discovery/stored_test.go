package discovery

import (
	"encoding/json"
	"iter"
	"reflect"
	"testing"
)

// storedTables is a tracker's state with some of each of its tables.
const storedTables = `{"Wires":[{"Name":"tap","Site":"hq","Asks":true}],` +
	`"Bindings":[{"Site":"hq","IP":"10.1.2.7","MAC":"00:04:13:00:00:07","At":"2026-05-04T08:00:01Z","Until":"2026-05-04T09:00:01Z","Firm":true},` +
	`{"Site":"hq","IP":"2001:db8::7","MAC":"00:04:13:00:00:07","At":"2026-05-04T08:00:01Z","Until":"2026-05-04T09:00:01Z"},` +
	`{"Site":"lab","IP":"10.1.2.7","MAC":"00:04:13:00:00:08","At":"2026-05-04T08:00:01Z","Until":"2026-05-04T09:00:01Z"}],` +
	`"Routers":[{"MAC":"00:1b:54:00:00:01","Since":"2026-05-04T08:00:01Z","Sources":null},` +
	`{"MAC":"00:1b:54:00:00:02","Since":"0001-01-01T00:00:00Z","Sources":[{"IP":"10.1.2.1","At":"2026-05-04T08:00:01Z"}]}],` +
	`"Gateways":[{"Site":"hq","IP":"10.1.2.1","At":"2026-05-04T08:00:01Z"}],` +
	`"Circuits":[{"Remote":"72","Circuit":"6331","Holders":[{"ID":"00:04:13:00:00:07","Until":"2026-05-04T09:00:01Z"}]},{"Circuit":"6332","Holders":[]}],` +
	`"Requests":[{"MAC":"00:04:13:00:00:07","XID":7,"At":"2026-05-04T08:00:01Z","Remote":"72","Circuit":"6331","Forged":false}],` +
	`"Tries":[{"CallID":"x \"[{","CSeq":1,"Time":"2026-05-04T08:00:01Z","Interface":"tap","MAC":"00:04:13:00:00:07","Octets":400}],` +
	`"Instances":[{"Instance":"urn:uuid:7","MAC":"00:04:13:00:00:07"}],"Counts":[{"AOR":"sip:7@pbx","N":2}],` +
	`"Devices":[{"ID":"00:04:13:00:00:09","Attachment":{},"Stay":{}}],"Pruned":"2026-05-04T08:00:01Z","InstancesLeft":1}`

// TestStoredReadsWhatIsWritten checks that all that this version writes is read
// without encoding/json.
func TestStoredReadsWhatIsWritten(t *testing.T) {
	var r Stored
	for name, stored := range storedTracks {
		r.Reset(stored)
		if r.Track(); !r.Done() {
			t.Errorf("a track of which %s is not read", name)
		}
	}
	r.Reset(storedTables)
	if r.state(); !r.Done() {
		t.Error("a state is not read")
	}
}

// TestStoredReadsAsJSON checks that what Stored reads it reads as encoding/json does,
// also where a sign is missing, doubled, or another one.
func TestStoredReadsAsJSON(t *testing.T) {
	var r Stored
	read := 0
	for _, stored := range storedTracks {
		for b := range spoiled(stored) {
			r.Reset(b)
			got := r.Track()
			if !r.Done() {
				continue
			}
			read++
			var want Track
			if err := json.Unmarshal([]byte(b), &want); err != nil {
				t.Fatalf("%s: read, but %v", b, err)
			} else if !reflect.DeepEqual(got, &want) {
				t.Fatalf("%s:\n got %+v\nwant %+v", b, got, &want)
			}
		}
	}
	for b := range spoiled(storedTables) {
		r.Reset(b)
		got := r.state()
		if !r.Done() {
			continue
		}
		read++
		var want state
		if err := json.Unmarshal([]byte(b), &want); err != nil {
			t.Fatalf("%s: read, but %v", b, err)
		} else if !reflect.DeepEqual(got, &want) {
			t.Fatalf("%s:\n got %+v\nwant %+v", b, got, &want)
		}
	}
	if read < 1000 {
		t.Errorf("only %d texts were read: this proves nothing", read)
	}
}

// spoiled yields a text as it is, and with each sign left out, written twice, or
// replaced by others.
func spoiled(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(text) {
			return
		}
		for i := range text {
			for _, sign := range []string{"", text[i:i+1] + text[i:i+1], "0", "2", "3", "6", "9", ".", "f", "z", " ", `"`, `\`, ",", "}", "null", "\xff"} {
				if !yield(text[:i] + sign + text[i+1:]) {
					return
				}
			}
		}
	}
}
