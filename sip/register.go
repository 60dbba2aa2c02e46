package sip

// Register is what Perch reads from a REGISTER request. Header values are raw
// text, one value an element, in the order of the message.
type Register struct {
	CallID    string
	CSeq      uint32
	AOR       AOR // of the To header
	Contacts  []Contact
	Expires   int // Expires header in seconds; -1 if absent
	UserAgent string
	Instance  string // +sip.instance of the first contact that has one, without <>
	Path      []string
	Via       []string
}

// RegisterResponse is a final or provisional answer to a REGISTER.
type RegisterResponse struct {
	Status   int
	CallID   string
	CSeq     uint32
	AOR      AOR
	Contacts []Contact
	Expires  int // -1 if absent
}

// Contact is one value of a Contact header.
type Contact struct {
	Raw     string // as it stood in the message
	URI     string // without angle brackets and header parameters; "*" for all
	Host    string // host of the URI, without brackets around IPv6
	Port    uint16 // 0 if absent
	Expires int    // expires parameter in seconds; -1 if absent
}
