package message

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	seen := make(map[string]Kind)
	for k := KindOther + 1; k < kindCount; k++ {
		name := k.String()
		if other, twice := seen[name]; twice || name == "other" || name == "" {
			t.Errorf("kinds %d and %d are both %q", other, k, name)
		}
		seen[name] = k
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := KindOf([]byte(spelling)); got != k {
				t.Errorf("%q: got %v; want %v", spelling, got, k)
			}
		}
		// One byte off is another name, unless it happens to be a known one.
		for i := range name {
			for _, c := range []byte("az-19~\x1f_") {
				b := []byte(name)
				b[i] = c
				want := KindOther
				for k2 := KindOther + 1; k2 < kindCount; k2++ {
					if string(b) == k2.String() {
						want = k2
					}
				}
				if got := KindOf(b); got != want {
					t.Errorf("%q: got %v; want %v", b, got, want)
				}
			}
		}
	}
	for _, name := range []string{"", "a", "x", "te-", "x-forwarded-fort", "content-lengtg"} {
		if got := KindOf([]byte(name)); got != KindOther {
			t.Errorf("%q: got %v", name, got)
		}
	}
	if KindNamed.String() != "named" || KindOther.String() != "other" || KindNamed <= kindCount {
		t.Error("KindNamed is no kind of its own")
	}
}

func TestKindSet(t *testing.T) {
	s := SetOf(KindHost, KindNamed)
	for k := Kind(0); k < 64; k++ {
		if s.Has(k) != (k == KindHost || k == KindNamed) {
			t.Errorf("%d: got %v", k, s.Has(k))
		}
	}
}

func TestFields(t *testing.T) {
	r, err := parse(t, "GET / HTTP/1.1\nHost: h\nCookie: a\nX-One: 1\ncookie: b\nx-one: 2\nX-Hop: 3\nConnection: x-hop\n\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Fields.Get(KindCookie)); got != "a" {
		t.Errorf("Get: %q", got)
	}
	if r.Fields.Get(KindRange) != nil {
		t.Error("Get of an absent kind")
	}
	if n := r.Fields.Count(KindCookie); n != 2 {
		t.Errorf("Count: %d", n)
	}
	if v, ok := r.Fields.Lookup("x-one"); !ok || string(v) != "1" {
		t.Errorf("Lookup: %q, %v", v, ok)
	}
	if _, ok := r.Fields.Lookup("x-hop"); ok {
		t.Error("Lookup found what Connection named")
	}
	want := "Cookie: a\r\nX-One: 1\r\ncookie: b\r\nx-one: 2\r\n"
	if got := string(AppendFields(nil, r.Fields, SetOf(KindHost, KindConnection, KindNamed))); got != want {
		t.Errorf("AppendFields: %q", got)
	}
	if got := string(AppendField([]byte(">"), "A", []byte("b"))); got != ">A: b\r\n" {
		t.Errorf("AppendField: %q", got)
	}
}

func TestLists(t *testing.T) {
	f := func(list string, want ...string) {
		t.Helper()
		var got []string
		for rest, more := []byte(list), true; more; {
			var element []byte
			element, rest, more = NextToken(rest)
			got = append(got, string(element))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("%q: got %q; want %q", list, got, want)
		}
	}
	f("", "")
	f("a", "a")
	f(" a\t,b ,, c", "a", "b", "", "c")
	f("a,", "a", "")
	if !HasToken([]byte("a, Close"), "close") || HasToken([]byte("closed, xclose"), "close") || HasToken(nil, "close") {
		t.Error("HasToken")
	}
}

func TestEqualFold(t *testing.T) {
	f := func(token, lower string, want bool) {
		t.Helper()
		if EqualFold([]byte(token), lower) != want {
			t.Errorf("%q, %q: got %v", token, lower, !want)
		}
	}
	f("Keep-Alive", "keep-alive", true)
	f("keep_alive", "keep-alive", false)
	f("keep\ralive", "keep-alive", false)
	f("", "", true)
	f("a", "ab", false)
	f("@", "`", false)
	f("\u212a", "k", false) // the Kelvin sign folds to k in Unicode only
}

// TestValidValue compares the eight-at-a-time check with the plain one.
func TestValidValue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	valid, invalid := 0, 0
	for range 50_000 {
		b := make([]byte, rnd.IntN(40))
		for i := range b {
			b[i] = byte(0x20 + rnd.IntN(0x5f))
			switch rnd.IntN(25) {
			case 0, 1:
				b[i] = byte(rnd.IntN(256))
			case 2:
				b[i] = '\t'
			case 3:
				b[i] = 0x80 | b[i]
			}
		}
		want := true
		for _, c := range b {
			if c != '\t' && (c < 0x20 || c == 0x7f) {
				want = false
			}
		}
		if want {
			valid++
		} else {
			invalid++
		}
		if validValue(b) != want {
			t.Fatalf("%q: got %v", b, !want)
		}
	}
	if valid < 5000 || invalid < 5000 {
		t.Errorf("%d valid and %d invalid cases are too lopsided", valid, invalid)
	}
}
