package notify

import "html/template"

// styles are the inline styles of the HTML part: many mail clients drop style
// sheets. Texts and backgrounds keep the client's own colours, so a dark window
// stays dark; what has a colour of its own (button, bars) reads well on both.
// Fainter text is made by opacity, which at worst is dropped.
var styles = map[string]template.CSS{
	"body":    "margin:0;padding:0;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;-webkit-text-size-adjust:100%",
	"main":    "max-width:600px;margin:0 auto;padding:24px 20px 32px",
	"h1":      "margin:0 0 16px;font-size:22px;line-height:1.3;font-weight:700",
	"h2":      "margin:28px 0 6px;font-size:16px;line-height:1.4;font-weight:700",
	"p":       "margin:0 0 12px",
	"small":   "margin:0 0 8px;font-size:14px;opacity:.8",
	"address": "margin:16px 0;padding:4px 0 4px 16px;border-left:4px solid #1f6fc0;font-size:18px;line-height:1.45",
	"list":    "margin:0 0 8px;padding:0 0 0 20px;font-size:14px;opacity:.8",
	"points":  "margin:0 0 12px;padding:0 0 0 20px",
	"action":  "margin:20px 0 12px",
	// White on #1259a0 has a contrast of 7.1 to 1.
	"button":    "display:inline-block;padding:14px 24px;border-radius:8px;background:#1259a0;color:#ffffff;font-size:17px;line-height:1.25;font-weight:600;text-decoration:none",
	"emergency": "margin:20px 0;padding:4px 0 4px 16px;border-left:4px solid #d0342c;font-weight:600",
	"foot":      "margin:32px 0 0;padding:16px 0 0;border-top:1px solid #888888;font-size:13px;opacity:.8",
}

// style gives an inline style by its name.
func style(name string) template.CSS { return styles[name] }
