package sip

// Register is what Perch reads from a REGISTER request. Header values are raw
// text, one value an element, in the order of the message.
type Register struct {
	CallID       string
	CSeq         uint32
	AOR          AOR // of the To header
	Contacts     []Contact
	Expires      int // Expires header in seconds; -1 if absent
	UserAgent    string
	Instance     string // +sip.instance of the first contact that has one, without <>
	Path         []string
	Via          []string
	MACHeader    string // the vendor header Mac (Fanvil, Yealink) or Aastra-Mac
	SerialNumber string // the vendor header X-Serialnumber (snom: its MAC)
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
