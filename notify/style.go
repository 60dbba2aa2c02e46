package notify

import (
	"fmt"
	"html/template"
)

// style gives an inline style by its name: many mail clients drop style sheets.
// Texts and backgrounds keep the client's own colours, so a dark window stays
// dark; what has a colour of its own (button, bars) reads well on both. Fainter
// text is made by opacity, which at worst is dropped.
func style(name string) (template.CSS, error) {
	switch name {
	case "body":
		return "margin:0;padding:0;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;-webkit-text-size-adjust:100%", nil
	case "main":
		return "max-width:600px;margin:0 auto;padding:24px 20px 32px;overflow-wrap:anywhere", nil
	case "h1":
		return "margin:0 0 16px;font-size:22px;line-height:1.3;font-weight:700", nil
	case "h2":
		return "margin:28px 0 6px;font-size:16px;line-height:1.4;font-weight:700", nil
	case "p":
		return "margin:0 0 12px", nil
	case "small":
		return "margin:0 0 8px;font-size:14px;opacity:.8", nil
	case "address":
		return "margin:16px 0;padding:4px 0 4px 16px;border-left:4px solid #1f6fc0;font-size:18px;line-height:1.45", nil
	case "alarm":
		return "margin:16px 0;padding:4px 0 4px 16px;border-left:4px solid #d0342c;font-size:20px;line-height:1.4", nil
	case "list":
		return "margin:0 0 8px;padding:0 0 0 20px;font-size:14px;opacity:.8", nil
	case "points":
		return "margin:0 0 12px;padding:0 0 0 20px", nil
	case "action":
		return "margin:20px 0 12px", nil
	case "button":
		// White on #1259a0 has a contrast of 7.1 to 1.
		return "display:inline-block;padding:14px 24px;border-radius:8px;background:#1259a0;color:#ffffff;font-size:17px;line-height:1.25;font-weight:600;text-decoration:none", nil
	case "quiet":
		// For what most readers need not do: as wide as a thumb, but no call to press it.
		return "display:inline-block;padding:11px 20px;border-radius:8px;border:1px solid #888888;color:inherit;font-size:16px;line-height:1.25;font-weight:600;text-decoration:none", nil
	case "emergency":
		return "margin:20px 0;padding:4px 0 4px 16px;border-left:4px solid #d0342c;font-weight:600", nil
	case "foot":
		return "margin:32px 0 0;padding:16px 0 0;border-top:1px solid #888888;font-size:13px;opacity:.8", nil
	}
	return "", fmt.Errorf("no style %q", name)
}
