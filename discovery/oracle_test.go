package discovery_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/sip"
)

// Another program's reading of the captures stands in a table beside them. What
// both of us print must be equal, except for what testdata/deviations.tsv lists
// with a reason; an entry there that explains nothing is an error, too.

// TestOracle compares every message of every capture with that table.
func TestOracle(t *testing.T) {
	dir := capturesDir(t)
	tables, err := filepath.Glob(filepath.Join(dir, "expected", "*.tsv"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables in %s: %v", dir, err)
	}
	dev := readDeviations(t)
	rows := 0
	for _, path := range tables {
		name := strings.TrimSuffix(filepath.Base(path), ".tsv")
		t.Run(name, func(t *testing.T) {
			want := readTable(t, path)
			got := decodeFile(t, filepath.Join(dir, name))
			rows += len(want)
			compareRows(t, dev, name, got, want)
		})
	}
	dev.checkUsed(t)
	t.Logf("%d captures, %d rows", len(tables), rows)
}

// row is the fields of all messages of one kind in one frame, in the words of
// the table.
type row map[string]string

type rowKey struct {
	frame int
	kind  string
}

// cutTexts is where the table cuts long texts; a space at the end is lost then.
const cutTexts = 200

func compareRows(t *testing.T, dev *deviations, file string, got, want map[rowKey]row) {
	t.Helper()
	keys := map[rowKey]bool{}
	for k := range got {
		keys[k] = true
	}
	for k := range want {
		keys[k] = true
	}
	for _, k := range slices.SortedFunc(mapKeys(keys), func(a, b rowKey) int {
		if a.frame != b.frame {
			return a.frame - b.frame
		}
		return strings.Compare(a.kind, b.kind)
	}) {
		g, w := got[k], want[k]
		if g == nil || w == nil {
			if !dev.explains(file, k, "row") {
				t.Errorf("frame %d: %s: got row %t, want row %t", k.frame, k.kind, g != nil, w != nil)
			}
			continue
		}
		for field, gv := range g {
			wv := w[field]
			if len(wv) >= cutTexts-1 && len(gv) > len(wv) {
				gv = gv[:len(wv)]
			}
			if gv != wv && !dev.explains(file, k, field) {
				t.Errorf("frame %d: %s: %s: got %q, want %q", k.frame, k.kind, field, gv, wv)
			}
		}
	}
}

func mapKeys(m map[rowKey]bool) func(yield func(rowKey) bool) {
	return func(yield func(rowKey) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// decodeFile runs a capture through the decoder and brings its JSON lines into
// the table's form.
func decodeFile(t *testing.T, path string) map[rowKey]row {
	t.Helper()
	rows := map[rowKey]row{}
	decodeCapture(t, path, func(o *discovery.Observation) {
		line, err := o.AppendJSON(nil, false)
		if err != nil {
			t.Fatal(err)
		}
		switch o.Kind {
		case discovery.KindRegisterResponse, discovery.KindDHCP6, discovery.KindND:
			return // not in the table
		}
		var v map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("frame %d: not JSON: %v: %s", o.Frame, err, line)
		}
		k := rowKey{o.Frame, strings.ToUpper(o.Kind.String())}
		r := rowOf(v)
		if before := rows[k]; before != nil {
			for f := range r {
				if !slices.Contains(ofFrame, f) {
					r[f] = before[f] + "|" + r[f]
				}
			}
		}
		rows[k] = r
	})
	return rows
}

// ofFrame are the fields that the table has once for a frame, however many
// messages are in it.
var ofFrame = []string{"eth_src", "vlan", "src_ip", "src_port", "transport", "malformed"}

// decodeCapture calls emit for each observation in a capture, to its end or to
// where it is cut off.
func decodeCapture(t testing.TB, path string, emit func(*discovery.Observation)) {
	t.Helper()
	f, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	for {
		c, err := f.Next()
		if err != nil {
			if err != io.EOF {
				t.Logf("%v", err)
			}
			return
		}
		d.Decode(&discovery.Frame{
			Time: c.Time, Source: c.Source, Number: c.Number, File: c.File, Interface: c.Interface,
			LinkType: uint16(c.LinkType), Data: c.Data,
		}, emit)
	}
}

// rowOf brings one JSON line into the table's form.
func rowOf(v map[string]any) row {
	kind := v["kind"].(string)
	m := v[kind].(map[string]any)
	r := row{"eth_src": str(v["mac"]), "vlan": list(v["vlan"]), "malformed": ""}
	if _, ok := v["malformed"]; ok {
		r["malformed"] = "malformed"
	}
	same := func(fields ...string) {
		for _, f := range fields {
			theirs, ours, ok := strings.Cut(f, "=")
			if !ok {
				ours = theirs
			}
			r[theirs] = list(m[ours])
		}
	}
	switch kind {
	case "register":
		r["src_ip"] = str(v["src"])
		_, r["src_port"], _ = strings.Cut(str(m["source"]), ":")
		same("transport", "to_addr=aor", "contact=contacts", "user_agent", "sip_instance=instance", "expires")
	case "dhcp":
		r["src_ip"] = str(v["src"])
		same("msg_type=type", "op", "chaddr", "ciaddr", "yiaddr", "giaddr", "requested_ip", "hostname", "vendor_class",
			"prl=param_list", "circuit_id_hex=circuit_id", "remote_id_hex=remote_id")
		sub, _ := hex.DecodeString(str(m["subscriber_id"]))
		r["subscriber_id"] = string(sub)
	case "lldp":
		same("chassis_subtype=chassis_id_subtype", "chassis_id", "port_subtype=port_id_subtype", "port_id", "ttl",
			"port_desc=port_description", "sysname=system_name", "sysdesc=system_description",
			"enabled_caps=capabilities")
		r["mgmt_addr"] = managementIPs(m["management_addresses"])
		med, _ := m["med"].(map[string]any)
		m = med
		same("med_class=class", "hw=hardware", "fw=firmware", "sw=software", "serial", "manufacturer", "model", "asset", "elin",
			"lat=latitude", "lon=longitude")
		policies, _ := med["policies"].([]any)
		for theirs, ours := range map[string]string{"app_type": "application", "tagged": "tagged", "vlan_id": "vlan", "l2prio": "priority", "dscp": "dscp"} {
			var vs []any
			for _, p := range policies {
				vs = append(vs, p.(map[string]any)[ours])
			}
			r[theirs] = list(vs)
		}
		civic, _ := med["civic"].(map[string]any)
		r["civic_country"] = str(civic["country"])
		var elements []string
		for i := range 256 {
			if value, ok := civic[strconv.Itoa(i)]; ok {
				elements = append(elements, fmt.Sprintf("%d=%s", i, value))
			}
		}
		r["civic"] = strings.Join(elements, "|")
	case "cdp":
		same("version", "device_id", "port_id", "platform", "software", "native_vlan", "voice_vlan", "capabilities", "ip_addr=addresses")
	case "arp":
		same("opcode=op", "sender_mac", "sender_ip", "target_ip")
	}
	return r
}

// managementIPs lists what the table has of the management addresses: those of
// IPv4, or, where there are none, those of IPv6.
func managementIPs(v any) string {
	var ip4, ip6 []string
	addresses, _ := v.([]any)
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a.(string)); err == nil && ip.Is4() {
			ip4 = append(ip4, ip.String())
		} else if err == nil {
			ip6 = append(ip6, ip.String())
		}
	}
	if ip4 != nil {
		return strings.Join(ip4, "|")
	}
	return strings.Join(ip6, "|")
}

func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(v)
}

// list joins the elements of a list, or is the value itself.
func list(v any) string {
	l, ok := v.([]any)
	if !ok {
		return str(v)
	}
	var parts []string
	for _, e := range l {
		parts = append(parts, str(e))
	}
	return strings.Join(parts, "|")
}

// readTable reads one table and brings its cells into the form of rowOf.
func readTable(t *testing.T, path string) map[rowKey]row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	columns := map[string][]string{}
	rows := map[rowKey]row{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		cells := strings.Split(s.Text(), "\t")
		if kind, ok := strings.CutPrefix(cells[0], "#"); ok {
			columns[kind] = cells
			continue
		}
		r := row{}
		for i, name := range columns[cells[0]] {
			if i > 1 && i < len(cells) {
				r[name] = cells[i]
			}
		}
		frame, err := strconv.Atoi(cells[1])
		if err != nil {
			t.Fatalf("%s: frame %q", path, cells[1])
		}
		normalise(cells[0], r)
		rows[rowKey{frame, cells[0]}] = r
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// normalise takes off the differences that are of notation only.
func normalise(kind string, r row) {
	for _, f := range []string{"eth_src", "chaddr", "sender_mac"} {
		if r[f] == "00:00:00:00:00:00" {
			r[f] = "" // we leave nobody out
		}
	}
	for _, f := range []string{"src_ip", "ciaddr", "yiaddr", "giaddr", "requested_ip", "sender_ip", "target_ip", "chassis_id", "ip_addr", "mgmt_addr"} {
		var known []string
		for _, ip := range strings.Split(r[f], "|") {
			if ip != "0.0.0.0" && (f != "ip_addr" || !slices.Contains(known, ip)) {
				known = append(known, ip)
			}
		}
		r[f] = strings.Join(known, "|")
	}
	switch kind {
	case "REGISTER":
		if aor, err := sip.ParseAOR(r["to_addr"]); err == nil {
			r["to_addr"] = string(aor)
		}
		r["sip_instance"] = strings.NewReplacer("<", "", ">", "").Replace(r["sip_instance"])
	case "DHCP":
		if n, err := strconv.Atoi(r["msg_type"]); err == nil {
			r["msg_type"] = discovery.DHCPType(n).String()
		}
	case "LLDP":
		normaliseLLDP(r)
	case "CDP":
		r["software"] = strings.ReplaceAll(r["software"], "|", "\n")
		if n, err := strconv.ParseUint(r["capabilities"], 0, 32); err == nil {
			r["capabilities"] = strconv.FormatUint(n, 10)
		}
	}
}

func normaliseLLDP(r row) {
	if r["chassis_subtype"] == "1" || r["chassis_subtype"] == "5" {
		if b, err := hex.DecodeString(r["chassis_id"]); err == nil {
			r["chassis_id"] = string(b) // printed in hex, whatever it is
		}
	}
	r["sysdesc"] = strings.ReplaceAll(r["sysdesc"], `\n`, "\n")
	if n, err := strconv.ParseUint(r["enabled_caps"], 0, 16); err == nil {
		var names []string
		for i, name := range []string{"other", "repeater", "bridge", "wlan-ap", "router", "telephone", "docsis", "station"} {
			if n>>i&1 == 1 {
				names = append(names, name)
			}
		}
		r["enabled_caps"] = strings.Join(names, "|")
	}
	types, values := strings.Split(r["civic_type"], "|"), strings.Split(r["civic_value"], "|")
	var elements []string
	for i := range min(len(types), len(values)) {
		if types[i] != "" {
			elements = append(elements, types[i]+"="+values[i])
		}
	}
	r["civic"] = strings.Join(elements, "|")
}
