package provisioning

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestColumnsAreDocumented holds docs/directory.md to the tables as they are.
func TestColumnsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/directory.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string][]string{
		"sites": names(sitesSchema()), "locations": names(locationsSchema()), "wiremap": names(wiremapSchema()),
		"users": names(usersSchema()), "phones": names(phonesSchema()), "lines": names(linesSchema()),
	}
	for table, columns := range tables {
		_, section, found := strings.Cut(string(page), "\n## "+table+".csv\n")
		if !found {
			t.Errorf("docs/directory.md has no section of %s.csv", table)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, line := range strings.Split(section, "\n") {
			first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			for _, name := range strings.Fields(first) {
				if strings.HasPrefix(line, "| `") && !slices.Contains(columns, strings.Trim(name, "`")) {
					t.Errorf("docs/directory.md: %s has no column %s", table, name)
				}
			}
		}
		for _, name := range columns {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/directory.md tells nothing of %s, a column of %s", name, table)
			}
		}
	}
}

func names[T any](s schema[T]) []string {
	var names []string
	for _, c := range s.columns {
		names = append(names, c.name)
	}
	return names
}
