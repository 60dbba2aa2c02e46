package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"perch/gateway"
	"perch/gateway/words"
	"perch/location"
)

// Subject writes only what an event tells of a mail: its subject and its
// Message-ID, the same that Render gives. Of the letter's location it reads the
// name and the kind.
func (r *Renderer) Subject(l gateway.Letter) (subject, messageID string, err error) {
	if _, ok := r.sheets[l.Purpose]; !ok {
		return "", "", noWords(&l)
	}
	p := page{Phone: words.PhoneOf(l)}
	if l.Location != nil {
		p.Place = &words.Place{Name: words.Clean(l.Location.Name, words.MaxName), Personal: l.Location.Kind == location.Personal}
	}
	p.facts(&l)
	_, subject = p.heading(l.Purpose)
	return subject, r.messageID(&l), nil
}

// heading returns the first line of a mail and its subject. Each event of a mail
// tells the subject, whether or not the mail is written, so these are words in Go
// rather than templates.
func (p *page) heading(why gateway.Purpose) (headline, subject string) {
	phone := p.Phone.Name
	switch {
	case why == gateway.MailClaim:
		headline = "Please review: the address of desk phone " + phone
	case why == gateway.MailDecision && p.Approved:
		headline = "Approved: your address for desk phone " + phone
	case why == gateway.MailDecision:
		headline = "Not accepted: your address for desk phone " + phone
	case why == gateway.MailReceipt:
		headline = "Thank you: your answer for desk phone " + phone
	case why == gateway.MailNotice && p.Answered:
		headline = p.By + " told us where desk phone " + phone + " is"
	case why == gateway.MailNotice && p.Objected:
		headline = "Withdrawn: your answer for desk phone " + phone
	case why == gateway.MailNotice:
		headline = p.By + " says that desk phone " + phone + " is not theirs"
	case why == gateway.MailEmergency && p.Call != nil:
		return p.callHeading()
	case p.Add:
		headline = "Where is your desk phone " + phone + "?"
	case p.Place != nil && p.Place.Name != "" && !p.Place.Personal:
		headline = "Is your desk phone " + phone + " at " + p.Place.Name + "?"
	default:
		headline = "Is this where your desk phone " + phone + " is?"
	}
	headline = strings.TrimSpace(headline)
	switch why {
	case gateway.MailPrompt:
		return headline, oneSpace(headline + " (emergency address)")
	case gateway.MailClaim:
		return headline, oneSpace(headline + " (claim " + strconv.FormatInt(p.Claim, 10) + ")")
	}
	return headline, oneSpace(headline)
}

// callHeading is made to be read on the locked screen of a telephone: what it is,
// then where.
func (p *page) callHeading() (headline, subject string) {
	headline = "Emergency call: " + p.Call.Dialled + " from " + p.Call.Phone.Name
	subject = "EMERGENCY CALL " + p.Call.Dialled
	if p.Reminder > 0 {
		subject += " (reminder " + strconv.Itoa(p.Reminder) + ", not acknowledged)"
	}
	if p.Call.Place != "" {
		subject += " at " + p.Call.Place
	}
	return oneSpace(headline), oneSpace(subject + " from " + p.Call.Phone.Name)
}

// oneSpace leaves one space where several stand. Clean words have no other white
// space.
func oneSpace(s string) string {
	if !strings.Contains(s, "  ") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

func (r *Renderer) messageID(l *gateway.Letter) string {
	return "<" + strconv.FormatInt(l.ID, 10) + "." + l.Purpose.String() + "." + r.digest("message-id", l) + "@" + r.domain + ">"
}

// digest derives a short text from all that makes a mail this one: two databases
// may give the same id, but not also at the same told time to the same person
// about the same phone, unless they replayed the same capture.
func (r *Renderer) digest(what string, l *gateway.Letter) string {
	b := make([]byte, 0, 256)
	for _, s := range [...]string{
		what, r.url, l.Time.UTC().Format(time.RFC3339Nano), l.Purpose.String(), l.To.Email, l.Phone.String(),
	} {
		b = strconv.AppendInt(b, int64(len(s)), 10) // no two lists of strings look alike
		b = append(b, ':')
		b = append(b, s...)
		b = append(b, ',')
	}
	sum := sha256.Sum256(strconv.AppendInt(b, l.ID, 10))
	return hex.EncodeToString(sum[:8])
}
