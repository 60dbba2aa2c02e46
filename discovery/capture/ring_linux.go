package capture

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// retireAfter is when the kernel hands a block over that is not full, in
// milliseconds: late enough that a quiet interface wakes us seldom, soon enough
// for a mail. Frames have the kernel's stamp, so that their times are not rounded.
const retireAfter = 50

// ring is memory that the kernel writes frames into and we read them from, the
// socket's TPACKET_V3 receive ring (Documentation/networking/packet_mmap.rst). It
// is a row of blocks of equal size, filled in turn. A block belongs to the kernel
// until its status says that it is ours; then it is ours until we give it back.
// While all are ours, frames are dropped.
type ring struct {
	memory []byte
	block  int    // octets of a block
	at     int    // where the block begins that is read, or is next to be
	held   bool   // that block is ours
	left   uint32 // frames in it that were not taken
	next   int    // where the first of them begins
}

// openRing gives the socket, which must not be bound yet, a ring of about size
// octets.
func openRing(fd, size int) (*ring, error) {
	if size == 0 {
		size = defaultRing
	}
	size = max(size, leastRing)
	block := ringBlock
	if size < 4*ringBlock {
		block = leastBlock
	}
	n := size / block
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("TPACKET_V3: %w", err)
	}
	// Room in front of each frame, to put a tag back.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, tagLength); err != nil {
		return nil, fmt.Errorf("reserve: %w", err)
	}
	request := unix.TpacketReq3{
		Block_size: uint32(block), Block_nr: uint32(n),
		Frame_size: uint32(block), Frame_nr: uint32(n), // checked by the kernel, and not used: frames follow close on one another
		Retire_blk_tov: retireAfter,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("ring of %d octets: %w", n*block, err)
	}
	memory, err := unix.Mmap(fd, 0, n*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the ring: %w", err)
	}
	return &ring{memory: memory, block: block}, nil
}

// ready reports whether the next frame is there without asking the kernel.
func (r *ring) ready() bool { return r.left > 0 }

// take gives the frame that was taken last back and takes the next, if there is
// one.
func (r *ring) take(fd int, a *arrival) (taken, failed bool) {
	a.first = false
	for r.left == 0 {
		if !r.enter() {
			code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR) // which sets it to zero
			return false, err != nil || code != 0
		}
		a.first = true
	}
	h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.memory[r.next]))
	begin := r.next + int(h.Mac)
	a.data = r.memory[begin : begin+int(h.Snaplen) : begin+int(h.Snaplen)]
	a.length = int(h.Len)
	a.stamp = time.Unix(int64(h.Sec), int64(h.Nsec))
	if tpid, ok := strippedTag(h.Status, h.Hv1.Vlan_tpid); ok {
		a.data = retag(r.memory[begin-tagLength:begin+int(h.Snaplen)], tpid, uint16(h.Hv1.Vlan_tci))
		a.length += tagLength
	}
	r.left--
	r.next += int(h.Next_offset)
	return true, false
}

// enter gives the block that was read back, and begins the next if it is ours.
func (r *ring) enter() bool {
	if r.held {
		atomic.StoreUint32(&r.header().Block_status, unix.TP_STATUS_KERNEL)
		r.held = false
		if r.at += r.block; r.at == len(r.memory) {
			r.at = 0
		}
	}
	h := r.header()
	if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	r.held = true
	r.left = h.Num_pkts
	r.next = r.at + int(h.Offset_to_first_pkt)
	return true
}

// header is what stands in front of the block's frames.
func (r *ring) header() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&(*unix.TpacketBlockDesc)(unsafe.Pointer(&r.memory[r.at])).Hdr))
}

// losses asks for the counters, which the kernel sets to zero at that.
func (r *ring) losses(fd int) (dropped, freezes uint32) {
	s, err := unix.GetsockoptTpacketStatsV3(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0
	}
	return s.Drops, s.Freeze_q_cnt
}

func (r *ring) close() {
	if r.memory == nil {
		return
	}
	unix.Munmap(r.memory)
	r.memory, r.left, r.held = nil, 0, false
}

// strippedTag reports whether the card or the kernel took a VLAN tag out, and its
// type. Kernels before 3.14 did not tell that, and took out 802.1Q only.
func strippedTag(status uint32, tpid uint16) (uint16, bool) {
	if status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0, false
	}
	if status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		tpid = etherVLAN
	}
	return tpid, true
}
