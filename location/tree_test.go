package location

import (
	"slices"
	"strings"
	"testing"
)

func at(id, parent ID, a CivicAddress) Location { return Location{ID: id, Parent: parent, Address: a} }

func campus(t *testing.T) *Tree {
	t.Helper()
	tree, err := NewTree([]Location{
		at("room", "floor", CivicAddress{Room: "307"}),
		at("floor", "a", CivicAddress{Floor: "3"}),
		at("hq", "", CivicAddress{Country: "US", City: "Springfield", Street: "Main", StreetSuffix: "St", HouseNumber: "100", PostalCode: "62701", Landmark: "Fountain"}),
		at("b", "hq", CivicAddress{Building: "B", Street: "Oak"}),
		at("a", "hq", CivicAddress{Building: "A"}),
		{ID: "home", Kind: Personal, Owner: "alice@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTree(t *testing.T) {
	tree := campus(t)
	ids := func(list []Location) string {
		var s []string
		for _, l := range list {
			s = append(s, string(l.ID))
		}
		return strings.Join(s, " ")
	}
	if got, want := ids(tree.Children("hq")), "a b"; got != want {
		t.Errorf("children: got %q, want %q", got, want)
	}
	if got, want := ids(tree.Ancestors("room")), "floor a hq"; got != want {
		t.Errorf("ancestors: got %q, want %q", got, want)
	}
	if got, want := ids(slices.Collect(tree.All())), "a b floor home hq room"; got != want {
		t.Errorf("all: got %q, want %q", got, want)
	}
	for _, test := range []struct {
		child, ancestor ID
		want            bool
	}{{"room", "hq", true}, {"room", "floor", true}, {"hq", "room", false}, {"hq", "hq", false}, {"b", "a", false}, {"none", "hq", false}} {
		if got := tree.Below(test.child, test.ancestor); got != test.want {
			t.Errorf("%s below %s: got %v, want %v", test.child, test.ancestor, got, test.want)
		}
	}
	for id, want := range map[ID]int{"hq": 0, "a": 1, "room": 3, "none": 0} {
		if got := tree.Depth(id); got != want {
			t.Errorf("depth of %s: got %d, want %d", id, got, want)
		}
	}
}

func TestNearestAtMost(t *testing.T) {
	tree := campus(t)
	tests := []struct {
		name string
		id   ID
		rank Rank
		want ID
	}{
		{"itself", "room", Room, "room"},
		{"its floor", "room", Floor, "floor"},
		{"its building", "room", Building, "a"},
		{"its site", "room", Site, "hq"},
		{"a wider place stays", "a", Floor, "a"},
		{"unknown", "none", Room, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := tree.NearestAtMost(test.id, test.rank); got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
		})
	}
	deep := at("suite", "", CivicAddress{Unit: "5"})
	if err := tree.Put(deep); err != nil {
		t.Fatal(err)
	}
	if got, ok := tree.NearestAtMost("suite", Floor); ok {
		t.Errorf("got %q for a room without anything above it, want none", got)
	}
}

func TestComplete(t *testing.T) {
	tree := campus(t)
	want := CivicAddress{
		Country: "US", City: "Springfield", Street: "Main", StreetSuffix: "St", HouseNumber: "100",
		PostalCode: "62701", Landmark: "Fountain", Building: "A", Floor: "3", Room: "307",
	}
	if got := tree.Complete("room"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Another street keeps the city, but not the house number, suffix or
	// landmark that belong to the first one.
	want = CivicAddress{Country: "US", City: "Springfield", PostalCode: "62701", Street: "Oak", Building: "B"}
	if got := tree.Complete("b"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := tree.Rank("floor"); got != Floor {
		t.Errorf("got rank %s, want floor", got)
	}
}

func TestPutRefuses(t *testing.T) {
	tests := []struct {
		name string
		put  []Location
		want []string // all in the error
	}{
		{"unknown parent", []Location{at("x", "none", CivicAddress{})}, []string{"location x: unknown parent none"}},
		{"its own parent", []Location{at("x", "x", CivicAddress{})}, []string{"location x:", "x > x"}},
		{"below its own child", []Location{at("hq", "room", CivicAddress{})}, []string{"location hq:", "hq > room > floor > a > hq"}},
		{"a new circle", []Location{at("x", "y", CivicAddress{}), at("y", "x", CivicAddress{})}, []string{"location x:", "x > y > x"}},
		{"personal with a parent", []Location{{ID: "x", Parent: "hq", Kind: Personal, Owner: "a@b"}}, []string{"location x: personal, but with the parent hq"}},
		{"personal without an owner", []Location{{ID: "x", Kind: Personal}}, []string{"location x: personal, but without an owner"}},
		{"company with an owner", []Location{{ID: "x", Owner: "a@b"}}, []string{"location x: a company location"}},
		{"below a personal one", []Location{at("x", "home", CivicAddress{})}, []string{"location x: its parent home is personal"}},
		{"all faults", []Location{at("x", "none", CivicAddress{}), at("fine", "hq", CivicAddress{}), {ID: "y", Kind: Personal}}, []string{"location x:", "location y:"}},
		{"no id", []Location{{}}, []string{"no id"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := campus(t)
			before := slices.Collect(tree.All())
			err := tree.Put(test.put...)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			if strings.Count(err.Error(), "circle") > 1 {
				t.Errorf("got %q, want a circle reported once", err)
			}
			if !slices.Equal(slices.Collect(tree.All()), before) {
				t.Error("a refused change left something behind")
			}
		})
	}
	_, err := NewTree([]Location{at("x", "", CivicAddress{}), at("x", "", CivicAddress{}), {ID: "y", Kind: Personal}})
	if err == nil || !strings.Contains(err.Error(), "location x: id is given twice") || !strings.Contains(err.Error(), "location y") {
		t.Errorf("got %v, want x named as given twice, and y", err)
	}
}

func TestPutMoves(t *testing.T) {
	tree := campus(t)
	if err := tree.Put(at("floor", "b", CivicAddress{Floor: "3"})); err != nil {
		t.Fatal(err)
	}
	if len(tree.Children("a")) != 0 || !tree.Below("room", "b") || tree.Below("room", "a") {
		t.Error("the floor did not move from a to b with its room")
	}
	if got := tree.Complete("room").Building; got != "B" {
		t.Errorf("got building %q, want B", got)
	}
}
