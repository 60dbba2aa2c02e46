package provisioning

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ReadPaths reads CSV files, and all of those in directories. A .csv file whose
// base name is no table is an error; other files in a directory are left alone.
// Every bad line of every file is reported, in *Errors.
func ReadPaths(paths ...string) ([]File, error) {
	var errs Errors
	names, err := ListPaths(paths...)
	errs.add(err)
	var files []File
	for _, name := range names {
		f, err := readPath(name)
		errs.add(err)
		files = append(files, f)
	}
	return files, errs.err()
}

// ListPaths returns the names of the CSV files that ReadPaths reads. Faults are
// in *Errors, and the names of all others come with them.
func ListPaths(paths ...string) ([]string, error) {
	var names []string
	var errs Errors
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			errs.add(err)
			continue
		}
		if !info.IsDir() {
			names = append(names, p)
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			errs.add(err)
		}
		before := len(names)
		for _, e := range entries {
			if !e.IsDir() && strings.EqualFold(filepath.Ext(e.Name()), ".csv") {
				names = append(names, filepath.Join(p, e.Name()))
			}
		}
		if err == nil && len(names) == before {
			errs.addf("%s: no CSV file in this directory", p)
		}
	}
	return names, errs.err()
}

// ReadDir reads the CSV files of a directory.
func ReadDir(dir string) ([]File, error) { return ReadPaths(dir) }

func readPath(name string) (f File, err error) {
	in, err := os.Open(name)
	if err != nil {
		return File{Name: name}, err
	}
	defer func() {
		if cerr := in.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("%s: %w", name, cerr)
		}
	}()
	return ReadFile(name, in)
}
