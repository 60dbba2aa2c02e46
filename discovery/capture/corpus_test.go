package capture

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// shared is the directory of recorded captures beside the repository, or "".
func shared(t testing.TB) string {
	dir, err := os.Getwd()
	must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("no go.mod above the test")
	}
	dir = filepath.Join(dir, "..", "shared", "captures")
	if _, err := os.Stat(filepath.Join(dir, "INDEX.tsv")); err != nil {
		t.Skip("the recorded captures (../shared/captures) are absent")
	}
	return dir
}

// TestRecorded reads every recorded capture: the last frame's number is the
// number of packets that tshark counts.
func TestRecorded(t *testing.T) {
	dir := shared(t)
	index, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	must(t, err)
	defer index.Close()
	// Not returned: custom blocks, which tshark counts as packets.
	custom := map[string]int{"ng_le_test018.pcapng": 4, "ng_le_test102.pcapng": 3}
	// Its link type (Broadcom's switch tag) is not read.
	refused := map[string]Reason{"dhcp_brcm_tag.pcap": UnknownLinkType}
	// Cut in the last packet.
	cut := map[string]bool{"sip_tc_idpre.pcap": true}

	read := 0
	lines := bufio.NewScanner(index)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		if cells[0] == "file" {
			continue
		}
		want, err := strconv.Atoi(cells[4])
		must(t, err)
		f, err := OpenFile(filepath.Join(dir, cells[0]))
		if reason := refused[cells[0]]; reason != 0 {
			checkError(t, err, reason, 0, "")
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		returned := 0
		for _, err = f.Next(); err == nil; _, err = f.Next() {
			returned++
		}
		if cut[cells[0]] {
			checkError(t, err, CutOff, returned+1, "")
		} else if err != io.EOF {
			t.Error(err)
		}
		if got := f.frame.Number; got != want {
			t.Errorf("%s: got %d frames, want %d", cells[0], got, want)
		}
		if got := want - returned; got != custom[cells[0]] {
			t.Errorf("%s: got %d frames not returned, want %d", cells[0], got, custom[cells[0]])
		}
		f.Close()
		read++
	}
	must(t, lines.Err())
	if read < 50 {
		t.Errorf("got %d captures, want many more", read)
	}
}
