// Package capture turns traffic into frames: recorded traffic, from capture
// files, and live traffic, from the host's network interfaces.
//
// # Files
//
// A capture file is what tcpdump or Wireshark wrote while listening on a wire:
// a short header, then each frame as it stood on the wire, with the time at
// which it was heard and how much of it was kept. There are two formats. A pcap
// file has one header, and so one link type and one interface: which bytes a
// frame begins with (an Ethernet header, Linux's "cooked" one, or an IP packet
// at once) and how finely time is told hold for the whole file. A pcapng file
// is a row of blocks: each section names the interfaces that were listened on,
// and each packet block says which of them heard the frame, so one file can
// hold several links. Either may be gzip'ed, and either may have been written
// on a machine of the other byte order. The formats are described in
// draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
//
// File reads one capture; Merge reads several as one recording, in the order
// of time:
//
//	m, err := capture.Open([]string{"floor3.pcapng", "floor4.pcap.gz"}, os.Stdin)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	for {
//		f, err := m.Next()
//		for _, source := range m.Ended() {
//			// source heard nothing more: its silence is no evidence
//		}
//		if err == io.EOF {
//			break
//		}
//		...
//	}
//
// Reading copies no frame and allocates nothing for one: Frame.Data lies in the
// file's buffer until the next call. Memory does not grow with the file.
//
// A damaged capture gives every whole frame before the damage and then an
// *Error. The package does not search for a frame behind the damage, since what
// it found there could be made up by whoever wrote the bytes; it does not read
// frames of link types that it does not know, nor the modified pcap format of
// old patched kernels, nor compression other than gzip. No length in a file is
// believed before it was compared with a bound.
//
// Writer and NGWriter write captures for tests and generators.
//
// # Interfaces
//
// Live listens to one Ethernet interface of a Linux host, such as the one that a
// switch mirrors its ports to:
//
//	l, err := capture.Listen("eth1", capture.LiveConfig{SIPPorts: []uint16{5060}})
//	if err != nil {
//		return err
//	}
//	defer l.Close()
//	for {
//		f, err := l.Next(ctx)
//		if err != nil {
//			break
//		}
//		if f == nil {
//			// nothing heard for a second, or l.Stats().State is another now
//			continue
//		}
//		...
//	}
//
// Linux shows a program every frame that an interface receives or sends by a
// packet socket (packet(7)). The interface is made promiscuous, so that its card
// hands up what is for others. Filter, a small program that the kernel runs over
// each frame, throws away what nothing in Perch reads, which is most: those frames
// cost next to nothing and are never copied. What is left the kernel writes into
// a ring of memory that it shares with us, and we read it there: no system call
// and no copy for a frame. Where a kernel gives no ring, each frame is received by
// a system call. A VLAN tag that the card or the kernel took out of a frame is put
// back, so that a frame is the same live and in a file.
//
// Listen needs CAP_NET_RAW and nothing else, not even root; after it nothing is
// needed any more. An interface that is not there is waited for, one that goes
// down, changes its address or is made anew is followed by its name, and Stats
// tells at any time whether we hear and how much was lost because it was not read
// in time. It moves with the host's names: not with an interface that is renamed.
//
// It hears what reaches the interface, and only that. LLDP and CDP end at the next
// switch, so only a port's own are heard; a switch that mirrors ports often leaves
// them out, and VLAN tags as well. What the card, or the switch in front of it,
// drops is in no counter here. Frames inside of tunnels (ERSPAN, VXLAN, GRE), MPLS
// or PPPoE do not pass the filter, SIP in TLS cannot be read, and SIP on ports that
// are not configured is not looked for. Interfaces without an Ethernet header
// (tun, WireGuard, PPP) are refused.
package capture
