// Package capture reads recorded traffic: it turns capture files into frames.
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
package capture
