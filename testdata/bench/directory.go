package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
)

// writeDirectory writes the directory of CSV files that knows the campus: each
// phone with its user and line, and a map from its floors' subnets, its switches'
// ports and its relays' circuits to floors and rooms. It also writes perch.yaml
// beside it, which names the site.
func writeDirectory(dir string, c campus) error {
	files := filepath.Join(dir, "map")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "perch.yaml"), []byte("site: campus\n"), 0o644); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		write func(*bufio.Writer, campus)
	}{
		{"sites.csv", writeSites},
		{"locations.csv", writeLocations},
		{"wiremap.csv", writeWiremap},
		{"users.csv", writeUsers},
		{"phones.csv", writePhones},
	} {
		if err := writeFile(filepath.Join(files, f.name), func(w *bufio.Writer) error {
			f.write(w, c)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeFile creates a file and fills it; the writer's own errors come at the end.
func writeFile(name string, fill func(*bufio.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return err
	}
	return w.Flush()
}

func (c campus) floors() int { return floorOf(c.phones-1) + 1 }

func floorID(f int) string { return fmt.Sprintf("b%d-%d", buildingOf(f), f%floorsOfBldg) }

// roomID is the room of a phone's port and of its neighbours.
func roomID(p int) string {
	return fmt.Sprintf("%s-%d%02d", floorID(floorOf(p)), switchOf(p)%switchesOfFloor, (portOf(p)-1)/portsOfRoom)
}

func email(p int) string { return "user" + line(p) + "@example.com" }

func writeSites(w *bufio.Writer, c campus) {
	fmt.Fprint(w, "id,name,default_location_id,timezone,subnets,ignore_subnets\ncampus,Campus,campus,UTC,")
	for f := range c.floors() {
		if f > 0 {
			fmt.Fprint(w, ";")
		}
		fmt.Fprint(w, subnetOf(f))
	}
	fmt.Fprintln(w, ",")
}

func writeLocations(w *bufio.Writer, c campus) {
	fmt.Fprintln(w, "id,parent_id,kind,name,site,country,state,city,street,house_number,building,floor,room")
	address := "campus,US,IL,Springfield,University Avenue"
	fmt.Fprintf(w, "campus,,company,Campus,%s,1,,,\n", address)
	for f := range c.floors() {
		b := buildingOf(f)
		place := fmt.Sprintf("%s,%d,%d,", address, 10+b, b)
		if f%floorsOfBldg == 0 {
			fmt.Fprintf(w, "b%d,campus,company,Building %d,%s,\n", b, b, place)
		}
		fmt.Fprintf(w, "%s,b%d,company,\"Building %d, floor %d\",%s%d,\n", floorID(f), b, b, f%floorsOfBldg, place, f%floorsOfBldg)
	}
	for p := 0; p < c.phones; p += portsOfRoom {
		f := floorOf(p)
		b, id := buildingOf(f), roomID(p)
		fmt.Fprintf(w, "%s,%s,company,Room %s,%s,%d,%d,%d,%s\n", id, floorID(f), id, address, 10+b, b, f%floorsOfBldg, id)
	}
}

func writeWiremap(w *bufio.Writer, c campus) {
	fmt.Fprintln(w, "location_id,site,chassis_id,port,remote_id,circuit_id,subnet")
	for f := range c.floors() {
		fmt.Fprintf(w, "%s,campus,,,,,%v\n", floorID(f), subnetOf(f))
	}
	for p := 0; p < c.phones; p += portsOfRoom {
		fmt.Fprintf(w, "%s,campus,%v,Gi1/0/%d-%d,,,\n", roomID(p), switchMAC(switchOf(p)), portOf(p), portOf(p)+portsOfRoom-1)
	}
	for p := range c.phones {
		fmt.Fprintf(w, "%s,campus,,,%s,%s,\n", roomID(p), switchName(switchOf(p)), portName(p))
	}
}

func writeUsers(w *bufio.Writer, c campus) {
	fmt.Fprintln(w, "email,name,role,site,aors")
	fmt.Fprintln(w, "admin@example.com,Ada Admin,admin,,")
	for p := range c.phones {
		fmt.Fprintf(w, "%s,User %s,user,campus,%s@%s\n", email(p), line(p), line(p), domain)
	}
}

func writePhones(w *bufio.Writer, c campus) {
	fmt.Fprintln(w, "mac,kind,label,site,users,aors")
	for p := range c.phones {
		fmt.Fprintf(w, "%v,desk,Desk %s,campus,%s,%s@%s\n", phoneMAC(p), line(p), email(p), line(p), domain)
	}
}
