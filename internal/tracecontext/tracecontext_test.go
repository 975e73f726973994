package tracecontext

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"gatewayd/internal/message"
)

const (
	trace  = "0af7651916cd43dd8448eb211c80319c"
	span   = "b7ad6b7169203331"
	parent = "00-" + trace + "-" + span + "-01"
)

func fieldsOf(lines ...string) message.Fields {
	var fields message.Fields
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, message.Field{Name: []byte(name), Value: []byte(value), Kind: message.KindOf([]byte(name))})
	}
	return fields
}

func TestParse(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		c, ok := Parse([]byte(in))
		got := ""
		if ok {
			got = string(c.AppendTraceparent(nil))
		} else if c != (Context{}) {
			t.Errorf("%q is refused, yet gives %v", in, c)
		}
		if got != want {
			t.Errorf("%q: got %q; want %q", in, got, want)
		}
	}
	f(parent, parent)
	f("00-"+trace+"-"+span+"-00", "00-"+trace+"-"+span+"-00")
	f("00-"+trace+"-"+span+"-03", "00-"+trace+"-"+span+"-03")
	f("00-"+trace+"-"+span+"-ff", "00-"+trace+"-"+span+"-03") // unknown flags are not passed on
	f("", "")
	f(parent[:54], "")
	f(parent+"-", "") // version 00 ends here
	f(parent+"0", "")
	f("01-"+parent[3:], parent) // a later version is read as far as it is known
	f("cc-"+parent[3:]+"-what", parent)
	f("cc-"+parent[3:]+".what", "")
	f("ff-"+parent[3:], "")
	f("0g-"+parent[3:], "")
	f("0-"+parent[3:]+"-", "")
	f(strings.ToUpper(parent), "")
	f("00-"+strings.Repeat("0", 32)+"-"+span+"-01", "")
	f("00-"+trace+"-"+strings.Repeat("0", 16)+"-01", "")
	f("00_"+parent[3:], "")
	f("00-"+trace+"_"+span+"-01", "")
	f("00-"+trace+"-"+span+"_01", "")
	f("00-"+trace+"-"+span+"-0x", "")
	f(" "+parent, "")
}

func TestFromFields(t *testing.T) {
	f := func(want bool, lines ...string) {
		t.Helper()
		c, ok := FromFields(fieldsOf(lines...))
		if ok != want || c.Valid() != want {
			t.Errorf("%q: got %v, %v", lines, c, ok)
		}
	}
	f(true, "Traceparent: "+parent)
	f(false)
	f(false, "traceparent: ")
	f(false, "traceparent: "+parent, "traceparent: "+parent)
}

func TestStartAndChild(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[string]bool)
	for i := range 1000 {
		c := Start(rnd.Uint64, i%2 == 0)
		child := c.Child(rnd.Uint64)
		if !c.Valid() || c.Sampled() != (i%2 == 0) || child.Trace != c.Trace || child.Span == c.Span || child.Sampled() != c.Sampled() {
			t.Fatalf("got %v and its child %v", c, child)
		}
		if again, ok := Parse(child.AppendTraceparent(nil)); !ok || again != child {
			t.Fatalf("%s reads back as %v", child.AppendTraceparent(nil), again)
		}
		seen[string(c.Trace.AppendHex(nil))], seen[string(child.Span.AppendHex(nil))] = true, true
	}
	if len(seen) != 2000 {
		t.Errorf("%d different ids; want 2000", len(seen))
	}
}

// TestZeroIsNotAnID gives out zeros first, which no id may be.
func TestZeroIsNotAnID(t *testing.T) {
	calls := 0
	random := func() uint64 {
		calls++
		return uint64(calls / 4)
	}
	if c := Start(random, false); !c.Valid() {
		t.Errorf("got %v", c)
	}
}

func TestTracestate(t *testing.T) {
	f := func(want string, values ...string) {
		t.Helper()
		lines := []string{"x: a=b"}
		for _, v := range values {
			lines = append(lines, "tracestate: "+v)
		}
		if got := string(AppendTracestate([]byte(">"), fieldsOf(lines...))); got != ">"+want {
			t.Errorf("%q: got %q; want %q", values, got, want)
		}
	}
	f("")
	f("a=1", "a=1")
	f("a=1,b=2,c=3", "a=1 ,\tb=2", "", "c=3,,")
	f("fw529a3039@dt=FfAAAAAIf", "fw529a3039@dt=FfAAAAAIf")
	f("", "fw529a3039@dt=FfAAAAAIf, x=")
	f("0t@dt=x,a_b-c*d/e=x y!", "0t@dt=x,a_b-c*d/e=x y!")
	for _, bad := range []string{"a", "=1", "A=1", "0a=1", "_a=1", "a=", "a=1=2", "a=\u00e9", "a@0=1", "@a=1", "a@=1", "a@b@c=1",
		"a=1,a=2", "a b=1", "a@" + strings.Repeat("b", 15) + "=1", strings.Repeat("a", 242) + "@b=1", strings.Repeat("a", 257) + "=1",
		"a=" + strings.Repeat("1", 257), "a=1,\x01=2"} {
		f("", "ok=1", bad)
	}
	var members []string
	for i := range 33 {
		members = append(members, fmt.Sprintf("k%d=v", i))
	}
	f(strings.Join(members[:32], ","), members[:32]...)
	f("", members...)
}

func TestRequestID(t *testing.T) {
	f := func(id string, want bool) {
		t.Helper()
		if ValidRequestID([]byte(id)) != want {
			t.Errorf("%q: got %v", id, !want)
		}
	}
	f("a", true)
	f("Root=1-67891233-abcdef012345678912345678", true)
	f("aZ09-._~:/+=@", true)
	f(strings.Repeat("x", 128), true)
	f(strings.Repeat("x", 129), false)
	f("", false)
	for c := range 256 {
		if c <= ' ' || c > '~' || strings.ContainsRune(`"\,;<>{}'()`, rune(c)) {
			f("a"+string([]byte{byte(c)}), false)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	for range 1000 {
		id := AppendRequestID(nil, rnd.Uint64)
		if !uuid.Match(id) || len(id) != RequestIDLength || !ValidRequestID(id) {
			t.Fatalf("got %q", id)
		}
		seen[string(id)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids; want 1000", len(seen))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(parent), []byte("a=1,b@c=2"))
	f.Fuzz(func(t *testing.T, traceparent, tracestate []byte) {
		if c, ok := Parse(traceparent); ok {
			if again, ok := Parse(c.AppendTraceparent(nil)); !ok || again != c {
				t.Fatalf("%q reads back as %v", traceparent, again)
			}
		}
		fields := message.Fields{{Name: []byte("tracestate"), Value: tracestate, Kind: message.KindTracestate}}
		first := AppendTracestate(nil, fields)
		fields[0].Value = first
		if again := AppendTracestate(nil, fields); string(again) != string(first) {
			t.Fatalf("%q: %q, then %q", tracestate, first, again)
		}
	})
}
