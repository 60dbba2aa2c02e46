package discovery

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

func TestOUIVendor(t *testing.T) {
	for mac, want := range map[string]Vendor{
		"00:15:65:00:00:01": Yealink,
		"f0:16:53:00:00:01": Yealink, // by Wazo's list
		"00:08:7b:00:00:01": Snom,    // by Wazo's list, against the IEEE's
		"00:19:7f:00:00:01": Poly,    // Plantronics
		"48:25:67:00:00:01": Poly,
		"00:10:bc:00:00:01": Mitel, // Aastra
		"00:80:f0:00:00:01": Panasonic,
		"00:1b:53:48:9e:e0": Cisco,
		"00:0c:41:00:00:01": Cisco, // Cisco-Linksys
		"00:0c:29:00:00:01": "VMware",
		"4c:5e:0c:00:00:01": "MikroTik",
		"3c:52:82:00:00:01": "HP",
		"00:00:5e:00:53:10": "", // IANA's, for documentation
		"02:15:65:00:00:01": "", // locally administered
		"01:15:65:00:00:01": "", // group
		"00:00:00:00:00:00": "", "ff:ff:ff:ff:ff:ff": "",
	} {
		m, err := ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := OUIVendor(m); got != want {
			t.Errorf("OUIVendor(%s): got %q, want %q", mac, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { OUIVendor(yealink) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestOUITable(t *testing.T) {
	if !slices.IsSorted(ouiTable[:]) {
		t.Error("the table is not in order")
	}
	desk := 0
	for i, v := range ouiTable {
		if int(v>>1&0x7f) >= len(ouiVendors) || i > 0 && ouiTable[i-1]>>8 == v>>8 || v>>24&3 != 0 {
			t.Errorf("row %#08x: no such vendor, its OUI twice, or no OUI", v)
		}
		desk += int(v & 1)
	}
	if len(ouiTable) < 5000 || desk < 98 {
		t.Errorf("%d rows, %d of desk phones: the table is not whole", len(ouiTable), desk)
	}
	if info, err := os.Stat("oui_table.go"); err != nil || info.Size() > 200_000 {
		t.Errorf("oui_table.go: %v, %v, want at most 200 kB", info.Size(), err)
	}
}

// TestOUITableIsGenerated makes the table anew from the version of the package
// that it names.
func TestOUITableIsGenerated(t *testing.T) {
	committed, err := os.ReadFile("oui_table.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`ieee-data (\S+) `).FindSubmatch(committed)
	if named == nil {
		t.Fatal("oui_table.go names no version of ieee-data")
	}
	version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "ieee-data").Output()
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("ieee-data is not installed: apt-get install ieee-data")
	case err != nil:
		t.Skip("ieee-data is not installed: apt-get install ieee-data")
	case !bytes.Equal(version, named[1]):
		t.Skipf("ieee-data %s is installed, the table is of %s: go run ./testdata/oui", version, named[1])
	}
	cmd := exec.Command("go", "run", "./testdata/oui", "-o", "-")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	made, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("the table is not what its source gives: go run ./testdata/oui")
	}
}

func BenchmarkOUIVendor(b *testing.B) {
	for b.Loop() {
		OUIVendor(polycom)
	}
}

func BenchmarkParseUserAgent(b *testing.B) {
	for name, agent := range map[string]string{"known": "snomD785/10.1.84.12", "unknown": "Acme phone 1.0 with some words"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				ParseUserAgent(agent)
			}
		})
	}
}
