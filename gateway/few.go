package gateway

import "encoding/json"

// few is a list that is empty of most phones: it takes 8 octets of them rather than
// 24. It is stored as a list is.
type few[T any] struct{ list *[]T }

// all returns the list, to be read.
func (f few[T]) all() []T {
	if f.list == nil {
		return nil
	}
	return *f.list
}

// set replaces the list.
func (f *few[T]) set(list []T) {
	f.list = nil
	if len(list) > 0 {
		f.list = &list
	}
}

// MarshalJSON writes the list.
func (f few[T]) MarshalJSON() ([]byte, error) { return json.Marshal(f.all()) }

// UnmarshalJSON reads a list.
func (f *few[T]) UnmarshalJSON(b []byte) error {
	var list []T
	err := json.Unmarshal(b, &list)
	f.set(list)
	return err
}
