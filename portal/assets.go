package portal

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the files below
	"encoding/base64"
	"net/http"
	"time"
)

//go:embed style.css
var styleSheet []byte

//go:embed alerts.js
var alertsScript []byte

// icon is a socket in the wall.
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1259a0"/>` +
	`<path d="M9 9h14v13h-4v3h-6v-3H9z" fill="none" stroke="#fff" stroke-width="2.5" stroke-linejoin="round"/>` +
	`<path d="M13 9v4M16 9v4M19 9v4" stroke="#fff" stroke-width="1.8"/></svg>`

// asset is a file that is the same for everybody.
type asset struct {
	kind      string // content type
	body      []byte
	tag       string // of its content
	versioned string // path with the content's version, that may be kept for good
}

func readAssets() map[string]asset {
	assets := map[string]asset{}
	add := func(name, kind string, body []byte) {
		sum := sha256.Sum256(body)
		tag := base64.RawURLEncoding.EncodeToString(sum[:9])
		assets[name] = asset{kind, body, tag, "/" + name + "?v=" + tag}
	}
	add("style.css", "text/css; charset=utf-8", styleSheet)
	add("alerts.js", "text/javascript; charset=utf-8", alertsScript)
	add("favicon.svg", "image/svg+xml", []byte(icon))
	add("robots.txt", "text/plain; charset=utf-8", []byte("User-agent: *\nDisallow: /\n"))
	return assets
}

func showAsset(v *visit) {
	a, ok := v.assets[v.r.PathValue("name")]
	if !ok {
		v.notFound()
		return
	}
	header := v.w.Header()
	header.Set("Cache-Control", "public, max-age=3600")
	if v.r.URL.Query().Get("v") == a.tag {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	header.Set("Content-Type", a.kind)
	header.Set("ETag", `"`+a.tag+`"`)
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(a.body))
}

// showHome says what this is to somebody without a link.
func showHome(v *visit) {
	v.show(http.StatusOK, "home", "Emergency addresses of desk phones", nil, nil)
}
