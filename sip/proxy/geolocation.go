package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"perch/location"
)

// addLocation puts the caller's location into the INVITE at hand, as a part of its
// body and a header that refers to it (RFC 6442 section 4.1). It says why not where
// that cannot be.
func (w *worker) addLocation(e *emergency) (why string) {
	m, c := &w.m, e.call.Caller
	if e.site.Geolocation == NoGeolocation {
		return "the site sends none"
	}
	if _, own := m.find(geolocation); own && e.site.Geolocation != ReplaceGeolocation {
		return "the phone's own location was passed"
	}
	kind := m.get(contentType)
	media, _, _ := bytes.Cut(kind, []byte(";"))
	media = bytes.TrimSpace(media)
	switch {
	case c == nil:
		return "the caller is not known"
	case c.Address == location.CivicAddress{}:
		return "no address is in force"
	case len(media) > 10 && bytes.EqualFold(media[:10], []byte("multipart/")):
		return "the phone's body has parts of its own"
	}
	method := "Manual"
	if c.Source == "wiremap" {
		method = "Wiremap" // RFC 4119 section 6.1
	}
	at := c.Since
	if c.Heard.After(at) {
		at = c.Heard
	}
	doc := location.Presence{
		Entity: plainAOR(e.call.AOR), Device: deviceName(c.Phone), Address: c.Address, Method: method, At: at, Expires: e.call.Time.Add(24 * time.Hour),
	}.PIDFLO()
	e.call.Sent = string(doc)
	host, _, _ := strings.Cut(w.leg(e.in).advertised, ":")
	id := e.call.ID + "@" + strings.Trim(host, "[]")
	boundary := "perch-" + e.call.ID
	body := m.raw[m.head:]
	var b []byte
	if len(body) > 0 {
		b = append(append(append(b, "--"+boundary+"\r\nContent-Type: "...), kind...), "\r\n\r\n"...)
		b = append(append(b, body...), "\r\n"...)
	}
	b = append(b, "--"+boundary+"\r\nContent-Type: application/pidf+xml\r\nContent-ID: <"+id+">\r\n\r\n"...)
	b = append(append(b, doc...), "\r\n--"+boundary+"--\r\n"...)
	w.remove(geolocation, geolocationRouting)
	w.edits.insert(m.headers[0].at, func(out []byte) []byte {
		return append(out, "Geolocation: <cid:"+id+">\r\nGeolocation-Routing: yes\r\n"...)
	})
	w.set(contentType, "Content-Type: multipart/mixed;boundary="+boundary)
	w.set(contentLength, "Content-Length: "+strconv.Itoa(len(b)))
	w.edits.replace(span{m.head, len(m.raw)}, func(out []byte) []byte { return append(out, b...) })
	return ""
}

// set replaces a header, or adds it.
func (w *worker) set(n name, line string) {
	text := func(b []byte) []byte { return append(append(b, line...), "\r\n"...) }
	if h, ok := w.m.find(n); ok {
		w.edits.replace(span{h.at, h.end}, text)
		return
	}
	w.edits.insert(w.m.headers[0].at, text)
}

// remove takes headers out, wherever they stand.
func (w *worker) remove(names ...name) {
	for _, h := range w.m.headers {
		if slices.Contains(names, h.name) {
			w.edits.replace(span{h.at, h.end}, nil)
		}
	}
}

// deviceName is a phone's name in a document: its MAC, if that is known.
func deviceName(phone string) string {
	if strings.HasPrefix(phone, "sip") {
		return phone
	}
	return "mac:" + strings.ReplaceAll(phone, ":", "")
}
