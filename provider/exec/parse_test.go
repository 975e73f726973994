package exec

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseList(t *testing.T) {
	f := func(out, want string) {
		t.Helper()
		all, err := parseList([]byte(out))
		var got []string
		for _, l := range all {
			s := fmt.Sprintf("%s %s %s %s", l.ID, l.Version, l.Address, l.State)
			if !l.StartedAt.IsZero() {
				s += l.StartedAt.UTC().Format(" " + time.RFC3339)
			}
			if l.measured {
				s += fmt.Sprintf(" %v cores %d bytes", l.CPU, l.MemoryBytes)
			}
			got = append(got, s)
		}
		if text := strings.Join(got, "; "); err != nil || text != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", out, text, err, want)
		}
	}
	f("", "")
	f(" \n", "")
	f("[]", "")
	f(`{"id":"a","version":"v1","address":"10.0.0.5:80"}`, "a v1 10.0.0.5:80 running")
	f(`{"id":"a","version":"v1"}`, "a v1  starting")
	f(`{"id":"a","version":"v1","address":"[::1]:80","state":"starting"}`, "a v1 [::1]:80 starting")
	f("\n{\"id\":\"a\",\"version\":\"v1\",\"state\":\"stopping\"}\n\n{\"id\":\"b\",\n\"version\":\"v2\",\"address\":\"shop-b:80\"}\n", "a v1  stopping; b v2 shop-b:80 running")
	f(`[{"id":"a","version":"v1"}, {"id":"b","version":"v1"}]`, "a v1  starting; b v1  starting")
	f(`{"id":"a","version":"v1","address":"h:1","startedAt":"2026-01-02T15:04:05.5+01:00","cpu":0.25,"memoryBytes":1048576}`,
		"a v1 h:1 running 2026-01-02T14:04:05Z 0.25 cores 1048576 bytes")
	f(`{"id":"a","version":"v1","cpu":0}`, "a v1  starting 0 cores 0 bytes")
}

func TestParseListThatIsRefused(t *testing.T) {
	f := func(out, want string) {
		t.Helper()
		if all, err := parseList([]byte(out)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngot  %+v, %v\nwant %s", out, all, err, want)
		}
	}
	f("shop-a is up", "line 1: this is no JSON")
	f("{\"id\":\"a\",\"version\":\"v1\"}\noops", "line 2: this is no JSON")
	f("[{\"id\":\"a\",\"version\":\"v1\"},\n\n{\"id\":1,\"version\":\"v1\"}]", `line 3: id: got 1; want a text`)
	f("[\n{\"id\":\"a\",\"version\":\"v1\"}\n", "line 2: the list ends in the middle")
	f("{\"id\":\"a\"", "line 1: the list ends in the middle")
	f("[] []", "line 1: there is something after the end of the list")
	f("[]\n]", "line 2: there is something after the end of the list")
	f("{\"id\":\"a\",\"version\":\"v1\"}\n]", "line 2: there is something after the end of the list")
	f("\n17", `line 2: got a number; want an object such as`)
	f("null", "line 1: got null; want an object")
	f(`[["a"]]`, `line 1: got a array; want an object`)
	f(`{}`, `line 1: id: got ""; want a name without spaces`)
	f(`{"id":"a b","version":"v1"}`, `line 1: id: got "a b"; want a name without spaces`)
	f(`{"id":"a"}`, `line 1: version: got nothing; want the version that instance "a" was started with`)
	f(`{"id":"a","version":null}`, "line 1: version: got null; want a text")
	f(`{"id":"a","version":"v1","ID":"b"}`, "line 1: ID: unknown key; want id, version, address, state, startedAt, cpu or memoryBytes")
	f(`{"id":"a","version":"v1","state":"running"}`, `line 1: address: got nothing; want host:port of instance "a", which is running`)
	f(`{"id":"a","version":"v1","state":"up"}`, `line 1: state: got "up"; want starting, running or stopping`)
	f(`{"id":"a","version":"v1","address":"10.0.0.5"}`, `line 1: address: got "10.0.0.5"; want host:port`)
	f(`{"id":"a","version":"v1","address":":80"}`, `line 1: address: got ":80"`)
	f(`{"id":"a","version":"v1","address":"h:0"}`, `line 1: address: got "h:0"`)
	f(`{"id":"a","version":"v1","address":"h:65536"}`, `line 1: address: got "h:65536"`)
	f(`{"id":"a","version":"v1","address":"http://h:80"}`, `line 1: address: got "http://h:80"`)
	f(`{"id":"a","version":"v1","startedAt":"yesterday"}`, `line 1: startedAt: got "yesterday"; want a time such as`)
	f(`{"id":"a","version":"v1","startedAt":1700000000}`, `line 1: startedAt: got 1700000000; want a text`)
	f(`{"id":"a","version":"v1","cpu":-1}`, `line 1: cpu: got -1; want cores in use, 0 or more`)
	f(`{"id":"a","version":"v1","cpu":"50%"}`, `line 1: cpu: got "50%"`)
	f(`{"id":"a","version":"v1","cpu":1e999}`, `line 1: cpu: got 1e999`)
	f(`{"id":"a","version":"v1","memoryBytes":1.5}`, `line 1: memoryBytes: got 1.5; want a whole number of bytes`)
	f("{\"id\":\"a\",\"version\":\"v1\"}\n{\"id\":\"b\",\"version\":\"v1\"}\n{\"id\":\"a\",\"version\":\"v2\"}",
		`line 3: id: got "a", which line 1 has too; want one object for each instance`)
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(`[{"id":"a","version":"v1","address":"h:1","cpu":1}]`))
	f.Add([]byte("{\"id\":\"a\",\"version\":\"v1\"}\n{\"id\":\"b\",\"version\":\"v1\"}"))
	f.Add([]byte("[,]"))
	f.Fuzz(func(t *testing.T, out []byte) {
		all, err := parseList(out)
		if err != nil {
			if len(all) > 0 || !strings.HasPrefix(err.Error(), "line ") {
				t.Fatalf("got %+v, %v", all, err)
			}
			return
		}
		ids := map[string]bool{}
		for _, l := range all {
			if ids[l.ID] || l.ID == "" || l.Version == "" || l.State == "" || !(l.CPU >= 0) || len(strings.Fields(l.ID)) != 1 {
				t.Fatalf("took %+v", l)
			}
			ids[l.ID] = true
		}
	})
}
