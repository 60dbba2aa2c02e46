package settings

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"

	"perch/provisioning"
)

// maxValue is how long a value may be, in octets.
const maxValue = 4096

var errLong = fmt.Errorf("a value of more than %d octets", maxValue)

// limited is a value while its template writes it.
type limited struct{ text strings.Builder }

// Write takes as much as a value may have.
func (l *limited) Write(b []byte) (int, error) {
	if l.text.Len()+len(b) > maxValue {
		return 0, errLong
	}
	return l.text.Write(b)
}

// bounded refuses a template that may go on for longer than a value is worth: one that calls
// others, or itself, and a range over a number or within another.
func bounded(t *template.Template) error {
	if len(t.Templates()) > 1 {
		return errors.New("a value is one template")
	}
	if t.Tree == nil { // nothing is in it
		return nil
	}
	return boundedNode(t.Root, false)
}

func boundedNode(n parse.Node, ranged bool) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, x := range n.Nodes {
			if err := boundedNode(x, ranged); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(boundedNode(n.List, ranged), boundedNode(n.ElseList, ranged))
	case *parse.WithNode:
		return errors.Join(boundedNode(n.List, ranged), boundedNode(n.ElseList, ranged))
	case *parse.RangeNode:
		if what := strings.TrimPrefix(n.Pipe.String()[strings.LastIndexByte(n.Pipe.String(), ' ')+1:], "$"); ranged || what != ".Emergency" && what != ".Lines" {
			return errors.New("range is over .Emergency or .Lines, and not within another")
		}
		return errors.Join(boundedNode(n.List, true), boundedNode(n.ElseList, ranged))
	case *parse.TemplateNode:
		return errors.New("a value is one template")
	}
	return nil
}

// toldIn refuses what templates of a section are not told.
func toldIn(t *template.Template, section string) (err error) {
	if t.Tree == nil || section == sections[1] {
		return nil
	}
	fieldsOf(t.Root, func(ident []string) {
		switch what := ident[0]; {
		case what == "Line":
			err = fmt.Errorf(".Line is told in %s alone", sections[1])
		case section == sections[2] && (what == "Secret" || what == "Lines"):
			err = fmt.Errorf(".%s is not told in %s, which anybody gets", what, section)
		}
	})
	return err
}

// fieldsOf tells of the names of all fields in a node.
func fieldsOf(n parse.Node, tell func(ident []string)) {
	branch := func(b *parse.BranchNode) {
		fieldsOf(b.Pipe, tell)
		fieldsOf(b.List, tell)
		if b.ElseList != nil {
			fieldsOf(b.ElseList, tell)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, x := range n.Nodes {
			fieldsOf(x, tell)
		}
	case *parse.ActionNode:
		fieldsOf(n.Pipe, tell)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			for _, x := range c.Args {
				fieldsOf(x, tell)
			}
		}
	case *parse.ChainNode:
		fieldsOf(n.Node, tell)
		tell(n.Field)
	case *parse.FieldNode:
		tell(n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) > 1 {
			tell(n.Ident[1:])
		}
	}
}

// holds refuses what no format can hold: a text of several lines, control characters and what
// is none of XML's; and a key that is no name in the vendor's format.
func holds(v provisioning.Vendor, s *Setting) error {
	for _, c := range s.Value {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || c >= 0xfffd && c <= 0xffff {
			return fmt.Errorf("%s: %s: a value has no line breaks and control characters", s.where, s.Key)
		}
	}
	if !isKey(v, s.Key) {
		return fmt.Errorf("%s: %q is no name of a setting", s.where, s.Key)
	}
	return nil
}

// isKey reports whether a text is the name of a setting: of a line's first half, an element or
// an attribute; of an element with an index behind a space (Snom), or elements in one another,
// each perhaps with one behind a # (Fanvil).
func isKey(v provisioning.Vendor, key string) bool {
	switch v {
	case provisioning.Yealink:
		return isName("_"+key) && key != ""
	case provisioning.Snom:
		name, index, ok := strings.Cut(key, " ")
		return isName(name) && (!ok || isNumber(index))
	case provisioning.Fanvil:
		for part := range strings.SplitSeq(key, "/") {
			name, index, ok := strings.Cut(part, "#")
			if !isName(name) || ok && !isNumber(index) {
				return false
			}
		}
		return true
	}
	return isName(key)
}

// isName reports whether a text is a name in XML, of ASCII and without a colon.
func isName(s string) bool {
	for i, c := range s {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '.' || c == '-')) {
			return false
		}
	}
	return s != ""
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
