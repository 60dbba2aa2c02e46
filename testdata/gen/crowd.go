package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// crowdPhones is how many phones the crowd has; a MAC of newPhone ends in one octet.
const crowdPhones = 240

// crowd writes what the kill loops replay: two captures of a morning at one site,
// each of them half of 240 phones, and the directory that knows them. All boot and
// register; two of three are carried to another port later, some of these return,
// and all renew and refresh in between. Every other phone registers over TCP or in
// fragments, so that many moments are in the middle of a message. That is 400
// prompts at least.
func crowd(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "map"), 0o755); err != nil {
		return err
	}
	var halves [2]story
	cores := [2]*link{halves[0].mirror("mirror-1"), halves[1].mirror("mirror-2")}
	start := at("08:00:00")
	for i := range crowdPhones {
		v := []vendor{yealink, snom, polycom, grandstream}[i%4]
		p := newPhone(v, byte(i), cores[i%2])
		p.day(start.Add(time.Duration(i)*700*time.Millisecond), i)
	}
	for i := range halves {
		name := filepath.Join(dir, fmt.Sprintf("crowd-%d.pcapng", i+1))
		if err := os.WriteFile(name, halves[i].pcapng(), 0o644); err != nil {
			return err
		}
	}
	return crowdMap(dir)
}

// day is what one phone of the crowd does.
func (p *phone) day(t time.Time, i int) {
	// Ports 1 to 48 of each switch, one phone on each.
	port := func(n int) circuit {
		sw := bridge{name: fmt.Sprintf("sw-%d", n/48)}
		return sw.circuit(fmt.Sprintf("Gi1/0/%d", n%48+1))
	}
	addr := func(floor int) string { return fmt.Sprintf("10.1.%d.%d", floor, 10+i) }
	connect := func(t time.Time) {
		if i%4 == 1 {
			p.Connect(t)
		}
	}
	if i%4 == 2 {
		p.padding = 1500
	}
	p.Boot(t, floor3, addr(2), port(i))
	connect(t.Add(3 * time.Second))
	p.Register(t.Add(4 * time.Second))
	for n := range 6 {
		p.Renew(t.Add(time.Duration(5+10*n) * time.Minute))
		p.Register(t.Add(time.Duration(8+10*n) * time.Minute))
	}
	if i%3 == 0 {
		return
	}
	moved := t.Add(70 * time.Minute)
	p.Boot(moved, floor4, addr(3), port(crowdPhones+i))
	connect(moved.Add(3 * time.Second))
	p.Register(moved.Add(4 * time.Second))
	p.Register(moved.Add(20 * time.Minute))
	if i%6 == 1 {
		back := moved.Add(40 * time.Minute)
		p.Boot(back, floor3, addr(2), port(i))
		connect(back.Add(3 * time.Second))
		p.Register(back.Add(4 * time.Second))
	}
}

// crowdMap writes the directory: a user for each phone, two for each tenth, and a
// wiremap that knows half of the switches of the third floor.
func crowdMap(dir string) error {
	var phones, users, wiremap strings.Builder
	phones.WriteString("mac,kind,label,site,users,aors\n")
	users.WriteString("email,name,role,site,aors\ncarol@example.com,Carol,admin,,\nrob@example.com,Rob,reviewer,hq,\n")
	wiremap.WriteString("location_id,site,chassis_id,port,remote_id,circuit_id,bssid,vlan,subnet,public_ip\n")
	for i := range crowdPhones {
		v := []vendor{yealink, snom, polycom, grandstream}[i%4]
		p := newPhone(v, byte(i), nil)
		who := fmt.Sprintf("user%d@example.com", i)
		fmt.Fprintf(&users, "%s,User %d,user,hq,sip:%s@example.com\n", who, i, p.line)
		if i%10 == 0 && i > 0 {
			who += fmt.Sprintf(";user%d@example.com", i-1)
		}
		fmt.Fprintf(&phones, "%s,desk,Desk %d,hq,%s,\n", p.mac.plain(), i, who)
		if i/48%2 == 0 {
			fmt.Fprintf(&wiremap, "hq-307,hq,,,sw-%d,Gi1/0/%d,,,,\n", i/48, i%48+1)
		}
	}
	for name, text := range map[string]string{
		"phones.csv": phones.String(), "users.csv": users.String(), "wiremap.csv": wiremap.String(),
		"sites.csv": "id,name,default_location_id,timezone,subnets,ignore_subnets\nhq,Headquarters,,UTC,10.1.2.0/24;10.1.3.0/24,\n",
		"locations.csv": "id,parent_id,kind,owner,name,site,country,state,city,street,house_number,building,floor,room\n" +
			"hq,,company,,Headquarters,hq,US,IL,Springfield,Main Street,100,,,\n" +
			"hq-a,hq,company,,Building A,hq,US,IL,Springfield,Main Street,100,A,,\n" +
			"hq-3f,hq-a,company,,Third floor,hq,US,IL,Springfield,Main Street,100,A,3,\n" +
			"hq-307,hq-3f,company,,Room 307,hq,US,IL,Springfield,Main Street,100,A,3,307\n" +
			"hq-4f,hq-a,company,,Fourth floor,hq,US,IL,Springfield,Main Street,100,A,4,\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "map", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "perch.yaml"), []byte("site: hq\n"), 0o644)
}
