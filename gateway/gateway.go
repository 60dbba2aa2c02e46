// Package gateway is the workflow of nomadic emergency services: a phone shows
// up on a network that nobody has reported, its users are asked once where that
// is, their answer becomes the location in force, and what is company data is
// reviewed by admins.
//
// The Engine is one writer with one order. It is told the time with every
// observation and decision, starts no goroutine and never reads the clock, so
// the same captures, directory and decisions give the same events and mails on
// every machine. Effects are queued and committed in groups; nothing leaves
// before its commit.
//
// An emergency call never waits for this package.
package gateway

import (
	"encoding/json"
	"time"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/provisioning"
)

// PromptKind is the question that a prompt asks.
type PromptKind uint8

// The questions.
const (
	Confirm PromptKind = iota + 1 // is it this location?
	Add                           // which address is it?
)

// CloseReason says why a prompt was closed; zero is an open prompt.
type CloseReason uint8

// The reasons for closing a prompt.
const (
	Answered   CloseReason = iota + 1
	Superseded             // the phone moved on
	Returned               // the phone went back to a known network
	Expired                // nobody answered in time
	Withdrawn              // the phone turned out to be a router, or was merged
)

// Prompt is one question to the users of one phone about one network.
type Prompt struct {
	ID         int64
	Phone      discovery.PhoneID
	Kind       PromptKind
	Attachment discovery.Attachment // of the network asked about, as last known
	Location   location.ID          // to be confirmed; empty for Add
	To         []string             // emails, sorted
	Opened     time.Time
	Closed     time.Time // zero while open
	Reason     CloseReason
}

// Open reports whether the prompt can still be answered.
func (p Prompt) Open() bool { return p.Reason == 0 }

// ClaimState is where the review of a claim stands.
type ClaimState uint8

// The states of a claim.
const (
	ClaimOpen ClaimState = iota + 1
	ClaimApproved
	ClaimRejected
)

// Claim is pending company data: an answer that waits for approval.
type Claim struct {
	ID         int64
	Phone      discovery.PhoneID
	Prompt     int64
	Answer     int64
	Attachment discovery.Attachment
	Evidence   []discovery.Evidence // for the attachment, when the claim was made
	Location   location.ID
	By         string // email, or cli:NAME
	Opened     time.Time
	Closed     time.Time
	State      ClaimState
	Decider    string          // who approved or rejected
	Reason     string          // of a rejection
	Level      discovery.Level // of the rule that was made; none if none was
}

// AnswerKind is one of the ways to answer a prompt.
type AnswerKind uint8

// The answers. The last one is never kept as such: it stands as the answer of the
// phone's last reported network.
const (
	AnswerConfirm     AnswerKind = iota + 1 // it is the detected location, or a child of it
	AnswerCompany                           // it is another company location
	AnswerPropose                           // it is a new company address
	AnswerPersonal                          // it is a personal location saved before
	AnswerAddPersonal                       // it is a new personal location
	AnswerNotMoved                          // the phone is where it was: the network changed around it
)

// Answer is what a user said of one network of one phone. It stands while its
// location is live, its claim not rejected and, if personal, its owner still a
// user of the phone.
type Answer struct {
	ID       int64
	Phone    discovery.PhoneID
	Prompt   int64
	Kind     AnswerKind
	Location location.ID
	By       string
	Time     time.Time
	Claim    int64        // 0 if it needs no approval
	Rule     matcher.Rule // that it made for its owner's other phones; zero if it made none
}

// AssignmentSource says what an assignment rests on.
type AssignmentSource uint8

// The sources of an assignment.
const (
	FromWiremap AssignmentSource = iota + 1
	FromConfirmed
	FromChosen
	FromPersonal
	FromAdmin
	FromDefault
)

// Assignment is the location in force for a phone. The zero value is that of a
// phone that was never acted on.
type Assignment struct {
	Location   location.ID
	Source     AssignmentSource
	Unapproved bool // its claim is still open
	Unlocated  bool // the site's default, or nothing at all
}

// Event is one line of the story, as `perch replay -json` prints it. Data is
// the whole line; the other fields are read from it.
type Event struct {
	ID    int64
	Time  time.Time
	Name  string // such as "phone.moved"
	Phone string
	Data  json.RawMessage
}

// Purpose says what a mail is for.
type Purpose uint8

// The purposes of mails.
const (
	MailPrompt Purpose = iota + 1
	MailReceipt
	MailClaim
	MailDecision
	MailNotice
	MailReminder
	MailDigest
	MailIncident
	MailEmergency
)

// Mail is one rendered message to one recipient. Body is the whole message,
// headers first, with CRLF line ends; where it links to the portal the token is
// left out and TokenMark stands in its place, since tokens are never stored.
type Mail struct {
	ID        int64
	Time      time.Time
	Purpose   Purpose
	To        string
	Subject   string
	MessageID string // with angle brackets
	Prompt    int64
	Claim     int64
	Answer    int64
	Emergency int64
	Body      []byte
}

// Notice is what a mail of purpose MailNotice tells.
type Notice uint8

// The notices.
const (
	NoticeAnswered Notice = iota + 1 // to the phone's other users: somebody answered
	NoticeObjected                   // to who answered: another user objected
	NoticeNotMine                    // to the admins: who was asked says that it is not their phone
)

// TokenMark stands in Mail.Body where a link's token goes.
const TokenMark = "@@perch-token@@"

// Renderer writes mails. It is called inside the engine's transaction, so it
// must be a pure function of the letter.
type Renderer interface {
	// Render writes the whole mail.
	Render(Letter) (subject, messageID string, body []byte, err error)
	// Subject writes only what an event tells of it. It may be asked with a letter
	// that has no more of its location than its own row, and neither model,
	// evidence, rule, expiry nor what is in force.
	Subject(Letter) (subject, messageID string, err error)
}

// Letter is everything that a mail says, in facts rather than words.
type Letter struct {
	ID      int64 // of the mail: Message-ID and boundary derive from it
	Time    time.Time
	Purpose Purpose
	To      provisioning.User // the recipient; only Email is set for unlisted people

	Phone      discovery.PhoneID
	Label      string   // of the phone in the directory
	Model      string   // as the phone describes itself, if it does
	AORs       []string // registered on the phone now
	Attachment discovery.Attachment
	Evidence   []discovery.Evidence // what the attachment is believed for, strongest first
	From       discovery.Network    // the network that was left; LevelNone on first appearance
	FromPlace  string               // the address in force there, in one line; never another user's personal one

	Prompt    int64
	Kind      PromptKind
	Location  *location.Location // detected location, its address complete with its parents' elements
	Rule      string             // the rule that matched, in words; empty if none did
	InForce   string             // what an emergency call made now would say
	Expires   time.Time          // when the prompt expires
	Recipient []string           // everybody who is asked
	Claim     *Claim
	Answer    *Answer // of a receipt or a notice
	Notice    Notice
	By        string // who answered, objected or said so: email, or cli:NAME
	Reason    string // of a rejection
	Emergency *Emergency
	// Callback is the number by which the line that calls is reached from outside, if
	// the directory lists it.
	Callback string
}
