package portal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"perch/gateway"
	"perch/location"
)

func walkConfirm(b *tab) {
	id := b.w.knownPort()
	b.mail(gateway.MailPrompt, id, alice)
	b.sees("Is your desk phone “Reception” at Fourth floor?", "100 Main Street")
	b.shoot("prompt-confirm")
	b.choose("Room 401")
	b.tap("Yes, the phone is here")
	b.sees("Thank you.", "Room 401", "There is nothing left for you to do")
	b.shoot("receipt-confirmed")
	b.do(chromedp.Reload())
	b.sees("Thank you.")
	b.do(chromedp.NavigateBack(), chromedp.NavigateForward())
	b.mail(gateway.MailPrompt, id, alice)
	b.sees("Thank you.")
	b.unfold("That was a mistake")
	b.tap("Take my answer back")
	b.sees("does not hold any more")
	b.shoot("receipt-taken-back")
	b.tap("Answer the new question")
	b.sees("Is your desk phone “Reception” at Fourth floor?")
	// Who taps twice is thanked once.
	if _, err := chromedp.RunResponse(b.ctx, chromedp.DoubleClick(named("Yes, the phone is here"), chromedp.NodeVisible)); err != nil {
		b.t.Fatal(err)
	}
	b.sees("Thank you.", "Floor 4")
	if n := b.w.office.done; n != 3 {
		b.t.Errorf("%d decisions, want 3", n)
	}
}

func walkCompany(b *tab) {
	b.mail(gateway.MailPrompt, b.w.unknownPort(), alice)
	b.sees("Where is your desk phone “Reception”?", "Headquarters (100 Main Street")
	b.shoot("prompt-add")
	b.tap("A place in the company’s list")
	b.sees("Where is “Reception”?", "Third floor")
	b.shoot("places")
	b.tap("Third floor")
	b.sees("Is “Reception” here?", "Floor 3")
	b.shoot("place")
	b.tap("Yes, the phone is here")
	b.sees("Thank you.", "Third floor", "review it")
	b.shoot("receipt-company")
}

func walkPropose(b *tab) {
	b.mail(gateway.MailPrompt, b.w.unknownPort(), alice)
	b.tap("A company place that is not in the list")
	b.sees("A new address", "ZIP code", "Room or desk")
	b.shoot("address-us")
	b.fill("f-city", " ")
	b.fill("f-house_number", " ")
	b.fill("f-postal_code", "6270")
	if status := b.tap("The phone is here"); status != 422 {
		b.t.Errorf("status %d, want 422", status)
	}
	b.sees("Please correct 3 things", "City: please fill this in.")
	b.shoot("address-faults")
	b.fill("f-city", "Springfield")
	b.fill("f-house_number", "102")
	b.fill("f-postal_code", "62701")
	b.fill("f-floor", "3")
	// Enter in a field sends the form rather than changing the country.
	b.fill("f-room", "307")
	b.enter("f-room")
	b.sees("Thank you.", "102 Main Street", "Room 307", "review it")
	b.shoot("receipt-proposed")
}

func walkOwn(b *tab) {
	b.mail(gateway.MailPrompt, b.w.unknownPort(), bob)
	b.tap("Another place of mine")
	b.shoot("address-own")
	b.do(setSelect("f-country", "DE"))
	b.fill("f-street", "Hauptstraße")
	b.tap("Change")
	b.sees("Postcode (PLZ)")
	b.fill("f-house_number", "7a")
	b.fill("f-postal_code", "10115")
	b.fill("f-city", "Berlin")
	b.fill("f-name", "Flat in Berlin")
	b.shoot("address-de")
	b.tap("The phone is here")
	b.sees("Thank you.", "Flat in Berlin", "Hauptstraße 7a", "10115 Berlin")
	b.shoot("receipt-own")
}

func walkSaved(b *tab) {
	b.mail(gateway.MailPrompt, b.w.unknownPort(), alice)
	b.tap("A place of mine, saved before")
	b.sees("Home", "22 Oak Avenue")
	b.shoot("mine")
	b.tap("The phone is here")
	b.sees("Thank you.", "22 Oak Avenue")
}

func walkUnmoved(b *tab) {
	b.w.answer(gateway.Reply{Prompt: b.w.knownPort(), Kind: gateway.AnswerConfirm, By: alice})
	b.w.plug(reception, "sw-9", "Gi1/0/9", "10.1.3.20")
	b.mail(gateway.MailPrompt, b.w.openPrompt(reception), alice)
	b.unfold("The phone has not moved")
	b.unfold("This is not my phone")
	b.sees("port Gi1/0/2 of switch sw-4fl")
	b.shoot("prompt-moved")
	b.tap("It has not moved")
	b.sees("Thank you.", "Fourth floor")
}

func walkDisown(b *tab) {
	b.mail(gateway.MailPrompt, b.w.knownPort(), alice)
	b.unfold("This is not my phone")
	b.tap("It is not my phone")
	b.sees("You told us that “Reception” is not your phone")
	b.shoot("not-mine")
}

// walkSearch is a company of 5 000 places.
func walkSearch(b *tab) {
	csv := "id,parent_id,kind,name,site,floor,room\n"
	for f := range 10 {
		csv += fmt.Sprintf("t-%d,hq-a,company,Tower floor %d,hq,%d,\n", f, f+10, f+10)
		for r := range 500 {
			csv += fmt.Sprintf("t-%d-%d,t-%d,company,Desk %d-%d,hq,,%d%03d\n", f, r, f, f+10, r, f+10, r)
		}
	}
	b.w.load(map[string]string{"locations": csv})
	b.mail(gateway.MailPrompt, b.w.unknownPort(), alice)
	b.tap("A place in the company’s list")
	b.tap("Headquarters")
	b.tap("Building A")
	b.sees("Tower floor 10", "500 places within it")
	b.shoot("places-many")
	b.tap("Tower floor 12")
	b.sees("1 to 50 of 500", "Desk 12-49")
	b.tap("Next")
	b.sees("51 to 100 of 500", "Desk 12-99")
	b.shoot("places-page")
	b.fill("q", "12-321")
	b.enter("q")
	b.sees("One place with “12-321”", "Desk 12-321")
	b.shoot("places-found")
	b.tap("Desk 12-321")
	b.tap("Yes, the phone is here")
	b.sees("Thank you.", "Desk 12-321")

	// More places within the detected one than fit a list.
	b.w.load(map[string]string{"wiremap": "location_id,site,chassis_id,port\nt-3,hq,sw-7,Gi1/0/1-24"})
	b.w.plug(reception, "sw-7", "Gi1/0/3", "10.1.3.21")
	b.mail(gateway.MailPrompt, b.w.openPrompt(reception), alice)
	b.fill("q", "13-4")
	b.enter("q")
	b.sees("Desk 13-4", "more: add a word")
	b.choose("Desk 13-40")
	b.shoot("prompt-search")
	b.tap("Yes, the phone is here")
	b.sees("Thank you.", "Desk 13-40")
}

func walkClosed(b *tab) {
	first := b.w.unknownPort()
	b.w.plug(reception, "sw-4fl", "Gi1/0/5", "10.1.3.20")
	b.mail(gateway.MailPrompt, first, alice)
	b.sees("has moved on", "There is a question about where it is now")
	b.shoot("superseded")
	b.tap("Answer the current question")
	b.sees("Is your desk phone “Reception” at Fourth floor?")
	b.w.answer(gateway.Reply{Prompt: b.w.openPrompt(reception), Kind: gateway.AnswerConfirm, By: alice})
	b.w.plug(reception, "sw-8", "Gi1/0/5", "10.1.2.20")
	third := b.w.openPrompt(reception)
	b.w.plug(reception, "sw-4fl", "Gi1/0/5", "10.1.3.20")
	b.mail(gateway.MailPrompt, third, alice)
	b.sees("is back", "nothing left for you to do")
	b.shoot("returned")
}

func walkExpired(b *tab) {
	id := b.w.unknownPort()
	b.w.wait(15 * 24 * time.Hour)
	b.mail(gateway.MailPrompt, id, alice)
	b.sees("Nobody told us in time", "Ask me again")
	b.shoot("expired")
	b.tap("Ask me again")
	b.sees("We have asked again")
	b.shoot("asked-again")
	b.tap("Answer the current question")
	b.sees("Where is your desk phone “Reception”?")
}

func walkOthers(b *tab) {
	id := b.w.unknownPort()
	b.w.answer(gateway.Reply{Prompt: id, Kind: gateway.AnswerPersonal, Location: "bob-home", By: bob})
	b.mail(gateway.MailPrompt, id, alice)
	b.sees("Somebody told us already", "A personal place of bob@example.com")
	b.shoot("answered-by-other")
	b.mail(gateway.MailNotice, 1, alice)
	b.unfold("That is not right")
	b.shoot("notice")
	b.tap("That is not right")
	b.sees("does not hold any more", "asked again by a new mail")
	b.shoot("objected")
}

func walkClaim(b *tab) {
	id := b.w.propose()
	b.w.plug(lobby, "sw-3fl", "Gi1/0/8", "10.1.2.21")
	b.mail(gateway.MailClaim, id, rita)
	b.sees("Is this where desk phone “Reception” is?", "alice@example.com said so", "102 Main Street", "chassis_id=sw-3fl port=Gi1/0/7")
	b.shoot("claim")
	b.unfold("Approve for another part of the network")
	b.unfold("that it touches")
	b.unfold("Reject")
	b.choose("The whole switch")
	b.shoot("claim-open")
	b.tap("Approve for this part")
	b.sees("Approved: the address of desk phone “Reception”", "rita@example.com", "switch sw-3fl (port not known)")
	b.shoot("claim-approved")
}

func walkEdit(b *tab) {
	id := b.w.propose()
	b.mail(gateway.MailClaim, id, rita)
	b.tap("Edit the address, then approve")
	b.sees("Edit the address of “Reception”, then approve", "alice@example.com")
	b.shoot("claim-edit")
	b.fill("f-room", "308")
	b.tap("Approve with this address")
	b.sees("Approved: the address of desk phone “Reception”", "Room 308")
}

func walkReject(b *tab) {
	id := b.w.propose()
	b.mail(gateway.MailClaim, id, rita)
	b.unfold("Reject")
	if status := b.tap("Reject"); status != 422 {
		b.t.Errorf("status %d, want 422", status)
	}
	b.sees("Please say why")
	b.shoot("claim-no-reason")
	b.fill("reason", "That is the car park")
	b.tap("Reject")
	b.sees("Rejected: the address", "That is the car park", "rita@example.com")
	b.shoot("claim-rejected")
	b.mail(gateway.MailNotice, 1, alice)
	b.sees("does not hold any more", "not accepted", "That is the car park")
	b.shoot("answer-rejected")
}

func walkErrors(b *tab) {
	b.goTo("/")
	b.shoot("home")
	b.goTo("/p/AAAA")
	b.sees("This link opens nothing")
	b.shoot("forged")
	b.goTo("/prompts/1")
	b.sees("Please open the link in your mail again")
	b.shoot("no-cookie")
	b.goTo("/nowhere/at/all")
	b.sees("There is no such page", "reference")
	b.shoot("not-found")
	b.mail(gateway.MailPrompt, b.w.unknownPort(), alice)
	b.tap("A company place that is not in the list")
	b.fill("f-floor", "7")
	b.w.office.fail = errors.New("disk full")
	if status := b.tap("The phone is here"); status != 503 {
		b.t.Errorf("status %d, want 503", status)
	}
	b.sees("This could not be saved just now", "Reference")
	b.shoot("not-saved")
	b.w.office.fail = nil
	b.tap("The phone is here")
	b.sees("Thank you.", "Floor 7")
}

func walkHostile(b *tab) {
	attack := `<script>alert(1)</script>"'&` + "\u202e" + strings.Repeat("x", 300)
	b.w.load(map[string]string{
		"phones":    "mac,label,site,users\n00:15:65:aa:bb:01,\"" + strings.ReplaceAll(attack, `"`, `""`) + "\",hq,alice@example.com",
		"locations": "id,kind,name,site,country,city,street,house_number\nhq-4f,company,\"" + strings.ReplaceAll(attack, `"`, `""`) + "\",hq,US," + strings.Repeat("y", 80) + ",Main,1",
	})
	b.mail(gateway.MailPrompt, b.w.knownPort(), alice)
	b.sees("<script>alert(1)</script>")
	b.shoot("hostile")
	b.w.answer(gateway.Reply{Prompt: b.w.openPrompt(reception), Kind: gateway.AnswerPropose, By: alice, Address: location.Location{
		Name: attack, Address: location.CivicAddress{Country: "US", City: attack, Street: attack, HouseNumber: "1"},
	}})
	b.mail(gateway.MailClaim, 1, rita)
	b.sees("<script>alert(1)</script>")
	b.shoot("hostile-claim")
}
