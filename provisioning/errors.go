package provisioning

import (
	"fmt"
	"strings"
)

// Errors are all faults of a file or of a directory, in the order of the lines
// or rows. A command prints each on a line of its own.
type Errors struct {
	List []error
}

// Error joins the faults with line ends.
func (e *Errors) Error() string {
	lines := make([]string, len(e.List))
	for i, err := range e.List {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e *Errors) Unwrap() []error { return e.List }

func (e *Errors) addf(format string, args ...any) {
	e.List = append(e.List, fmt.Errorf(format, args...))
}

// add takes over an error, one by one if it joins several.
func (e *Errors) add(err error) {
	switch joined, ok := err.(interface{ Unwrap() []error }); {
	case err == nil:
	case ok:
		for _, one := range joined.Unwrap() {
			e.add(one)
		}
	default:
		e.List = append(e.List, err)
	}
}

// err returns e as an error, or nil if it is empty.
func (e *Errors) err() error {
	if len(e.List) == 0 {
		return nil
	}
	return e
}
