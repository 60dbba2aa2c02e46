package gateway

import (
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
)

// Question is a prompt as the page behind its link shows it to one of those who
// were asked. The letter holds the facts as they are now, for that reader.
type Question struct {
	Letter
	State    CloseReason // zero: it can be answered
	Closed   time.Time
	There    bool                // the phone is on the network asked about
	Declined bool                // the reader said that it is not their phone
	Within   []location.Location // live places within the detected one, those above first; addresses complete
	Personal []location.Location // the reader's own live ones
	Unmoved  string              // the place of the last reported network, for the reader; empty: there is none
	Standing bool                // Letter.Answer, which closed it, still stands
	Object   bool                // and the reader may object to it
	Current  int64               // the phone's open prompt, if it is another one that the reader is asked by
	Askable  bool                // it expired, and the reader may have it asked again
}

// Told is an answer as the page behind the link of a receipt or a notice shows
// it to one of the phone's users. Location is what was answered, if the reader
// may see it.
type Told struct {
	Letter
	Standing bool // it holds
	Object   bool // and the reader may object to it
	There    bool // the phone is on the network that was answered for
}

// Review is a claim as a reviewer sees it.
type Review struct {
	Letter
	Default discovery.Level // the network's own
	Choices []Choice        // one for each level that the network has, strongest first
}

// Choice is what approving a claim at one level would do.
type Choice struct {
	Level    discovery.Level
	Made     bool               // false: no rule is made, the answer stays this phone's alone
	Rule     matcher.Rule       // that is made
	Place    *location.Location // where it leads, address complete
	Replaces *location.Location // where the company's rule for the same network leads now; nil if none does, or to the same place
	Phones   []Touched          // phones on that network now, this one too, by id
}

// Touched is a phone that a rule would place.
type Touched struct {
	Phone   discovery.PhoneID
	Label   string
	Users   []string
	Now     string // what is in force for it; somebody's personal location without its address
	Changes bool   // the rule would change what is in force for it
}
