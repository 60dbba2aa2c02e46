// Package discovery reads phones out of traffic: which phones there are and
// where each of them is plugged in.
//
// A phone shows itself in several protocols, and each tells another part. Its
// REGISTER (RFC 3261) says which line it serves and from which IP. DHCP (RFC
// 2131) binds that IP to a MAC, and a relay may add the switch port it came
// through (option 82, RFC 3046). LLDP (IEEE 802.1AB) and CDP are spoken on one
// link only: the switch names its own port there, and the phone names itself.
// ARP (RFC 826) shows that an address is alive.
//
// Decoders turn frames into observations; the Tracker joins observations into
// one attachment for each phone and says when it changes. Evidence belongs to a
// stay, the time between a phone's arrival on a network and its leaving, and is
// never carried from one stay into another.
//
// The package starts no goroutine, sets no timer and never asks the clock: it
// is told the time by what it observes. It takes nothing that a device says of
// itself as proof of where the device is.
package discovery
