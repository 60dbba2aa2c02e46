package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"perch/matcher"
)

// ruleRow is a rule with the key by which it is replaced.
type ruleRow struct {
	key  string
	rule matcher.Rule
}

var wiremap = table[ruleRow]{
	name:    "wiremap",
	columns: append([]string{"rule_key"}, bareRules.columns...),
	key:     1,
	fields:  func(dst []any, x *ruleRow) []any { return bareRules.fields(append(dst, &x.key), &x.rule) },
}

// bareRules is wiremap to be read without its keys.
var bareRules = table[matcher.Rule]{
	name:    "wiremap",
	columns: []string{"site", "chassis_id", "port", "remote_id", "circuit_id", "bssid", "vlan", "subnet", "public_ip", "location_id"},
	fields: func(dst []any, r *matcher.Rule) []any {
		return append(dst,
			&r.Site, &r.ChassisID, &r.Port, word{&r.RemoteID}, word{&r.CircuitID}, &r.BSSID, &r.VLAN,
			word{&r.Subnet}, word{&r.PublicIP}, &r.Location)
	},
}

// ruleKey returns matcher.Rule.Key as text. Rules come in order of their cells,
// and so nearly in order of this text: an index of it grows at its end.
func ruleKey(r matcher.Rule) string {
	k := r.Key()
	cells := [...]string{
		k.Site, k.ChassisID, k.Port, k.RemoteID.String(), k.CircuitID.String(), k.BSSID, "", "", "",
	}
	if k.VLAN != 0 {
		cells[6] = strconv.Itoa(int(k.VLAN))
	}
	if k.Subnet.IsValid() {
		cells[7] = k.Subnet.String()
	}
	if k.PublicIP.IsValid() {
		cells[8] = k.PublicIP.String()
	}
	for i, c := range cells {
		if strings.ContainsAny(c, `|\`) {
			cells[i] = strings.NewReplacer(`|`, `\|`, `\`, `\\`).Replace(c)
		}
	}
	return strings.Join(cells[:], "|")
}

// rulesAtOnce is how many rules are prepared for writing at a time, so that a
// million of them need no second million of rows.
const rulesAtOnce = 1024

// wiremap deletes the rules that have the key of one that is gone or put, and
// adds those that are put.
func (w *writer) wiremap(ctx context.Context, gone, puts []matcher.Rule) error {
	if len(gone)+len(puts) == 0 {
		return nil
	}
	empty, err := w.empty(ctx, wiremap.name)
	if err != nil {
		return err
	}
	if !empty { // a first import has nothing to replace
		if w.byIndex != "" {
			if err := w.exec(ctx, w.byIndex, nil); err != nil {
				return err
			}
		}
		for _, list := range [][]matcher.Rule{gone, puts} {
			for part := range slices.Chunk(list, rulesAtOnce) {
				if err := remove(ctx, w, &wiremap, ruleRows(part)); err != nil {
					return err
				}
			}
		}
	}
	for part := range slices.Chunk(puts, rulesAtOnce) {
		if err := add(ctx, w, &wiremap, ruleRows(part)); err != nil {
			return err
		}
	}
	return nil
}

func ruleRows(rules []matcher.Rule) []ruleRow {
	rows := make([]ruleRow, len(rules))
	for i, r := range rules {
		rows[i] = ruleRow{ruleKey(r), r}
	}
	return rows
}

// empty reports whether a table has no row.
func (w *writer) empty(ctx context.Context, name string) (bool, error) {
	var one int
	err := w.tx.QueryRowContext(ctx, "SELECT 1 FROM "+name+" LIMIT 1").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return false, err
}

// loadWiremap reads the rules in the order of matcher.Compare, which knows
// addresses from text.
func loadWiremap(ctx context.Context, q querier, to *[]matcher.Rule) error {
	err := each(ctx, q, &wiremap, selection{}, func(x ruleRow) { *to = append(*to, x.rule) })
	if !slices.IsSortedFunc(*to, matcher.Compare) {
		slices.SortFunc(*to, matcher.Compare)
	}
	return err
}
