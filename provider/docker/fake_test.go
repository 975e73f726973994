package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

// fakeEngine is a Docker Engine without containers behind it, for what a real one cannot be made to do: it speaks enough of the API for
// the provider, and fails where a test wants it to.
type fakeEngine struct {
	t    *testing.T
	host string

	mu         sync.Mutex // protects what follows
	containers map[string]*fakeContainer
	images     map[string]bool
	created    int
	calls      []string // method and path without version
	followers  map[chan events.Message]bool
	// fail returns what to answer instead of doing as asked; status 0: do as asked. It is called with mu held.
	fail func(call string) (status int, message string)
	// dying is the order of events when a container ends.
	dying     []events.Action
	stillborn bool // containers die as soon as they are started
	server    *httptest.Server
	path      string
}

type fakeContainer struct {
	id, name string
	labels   map[string]string
	state    container.ContainerState
	exit     int
}

func newFakeEngine(t *testing.T) *fakeEngine {
	f := &fakeEngine{t: t, path: filepath.Join(t.TempDir(), "engine"), containers: map[string]*fakeContainer{},
		images: map[string]bool{"shop:v1": true}, followers: map[chan events.Message]bool{},
		fail:  func(string) (int, string) { return 0, "" },
		dying: []events.Action{events.ActionKill, events.ActionDie, events.ActionStop}}
	f.host = "unix://" + f.path
	f.open()
	t.Cleanup(f.shut)
	return f
}

// open has the Engine listen.
func (f *fakeEngine) open() {
	ln, err := net.Listen("unix", f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(f)
	s.Listener.Close()
	s.Listener = ln
	s.Start()
	f.server = s
}

// shut ends the Engine and all connections to it. Containers live on.
func (f *fakeEngine) shut() {
	f.mu.Lock()
	for c := range f.followers {
		close(c)
		delete(f.followers, c)
	}
	f.mu.Unlock()
	f.server.CloseClientConnections()
	f.server.Close()
}

// house makes and runs a provider of the service shop.
func (f *fakeEngine) house(edit func(*Options)) *house {
	h := f.idleHouse(edit)
	h.start()
	return h
}

func (f *fakeEngine) idleHouse(edit func(*Options)) *house {
	f.t.Helper()
	o := Options{Host: f.host, Image: "shop:{{.Version}}"}
	if edit != nil {
		edit(&o)
	}
	return newIdleHouse(f.t, o)
}

// with calls fn while nothing else reads or changes the Engine.
func (f *fakeEngine) with(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// count returns how many calls there were with that beginning.
func (f *fakeEngine) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// add makes a running container, as somebody else would.
func (f *fakeEngine) add(labels map[string]string) *fakeContainer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created++
	c := &fakeContainer{id: fmt.Sprintf("%064x", f.created), name: fmt.Sprint("other-", f.created), labels: labels, state: container.StateRunning}
	f.containers[c.id] = c
	return c
}

// die ends a container by itself.
func (f *fakeEngine) die(id string, exit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dieLocked(f.containers[id], exit)
}

func (f *fakeEngine) dieLocked(c *fakeContainer, exit int) {
	c.state, c.exit = container.StateExited, exit
	for _, a := range f.dying {
		f.tell(c, a)
	}
}

// tell tells all followers. f.mu is held.
func (f *fakeEngine) tell(c *fakeContainer, a events.Action) {
	for ch := range f.followers {
		ch <- events.Message{Type: events.ContainerEventType, Action: a, Actor: events.Actor{ID: c.id, Attributes: c.labels}}
	}
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	path, versioned := strings.CutPrefix(r.URL.Path, "/v1.41")
	call := r.Method + " " + path
	f.mu.Lock()
	if strings.HasSuffix(path, "/_ping") {
		f.mu.Unlock()
		return
	}
	f.calls = append(f.calls, call)
	if !versioned {
		f.t.Errorf("%s has not the version of the API that was agreed on", r.URL.Path)
	}
	if path == "/events" {
		f.follow(w, r)
		return
	}
	defer f.mu.Unlock()
	if status, message := f.fail(call); status != 0 {
		refuse(w, status, message)
		return
	}
	f.serve(w, r, call)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// follow streams events. f.mu is held and released.
func (f *fakeEngine) follow(w http.ResponseWriter, r *http.Request) {
	ch := make(chan events.Message, 1000)
	f.followers[ch] = true
	f.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case m, ok := <-ch:
			if !ok {
				return
			}
			json.NewEncoder(w).Encode(m)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			f.with(func() { delete(f.followers, ch) })
			return
		}
	}
}

// serve does as asked. f.mu is held.
func (f *fakeEngine) serve(w http.ResponseWriter, r *http.Request, call string) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1.41/"), "/")
	switch {
	case call == "GET /containers/json":
		out := []map[string]any{}
		for _, id := range slices.Sorted(maps.Keys(f.containers)) { // all: this Engine knows no filters
			c := f.containers[id]
			out = append(out, map[string]any{"Id": c.id, "Labels": c.labels, "State": c.state})
		}
		json.NewEncoder(w).Encode(out)
	case call == "POST /containers/create":
		f.create(w, r)
	case call == "POST /images/create":
		image := r.URL.Query().Get("fromImage") + ":" + r.URL.Query().Get("tag")
		if strings.Contains(image, "broken") {
			fmt.Fprintln(w, `{"status":"Pulling"}{"errorDetail":{"message":"failed to register layer: no space left on device"}}`)
			return
		}
		f.images[image] = true
		fmt.Fprintln(w, `{"status":"Pulling"}`)
	case parts[0] == "images":
		name := strings.TrimSuffix(strings.Join(parts[1:], "/"), "/json")
		if !f.images[name] && !f.images["docker.io/library/"+name] {
			refuse(w, http.StatusNotFound, "No such image: "+name)
			return
		}
		fmt.Fprintln(w, `{"Id":"sha256:1"}`)
	default:
		f.serveContainer(w, r, f.find(parts[1]), parts[2:])
	}
}

func (f *fakeEngine) find(name string) *fakeContainer {
	for _, c := range f.containers {
		if c.id == name || c.name == name {
			return c
		}
	}
	return nil
}

func (f *fakeEngine) create(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if f.find(name) != nil {
		refuse(w, http.StatusConflict, "Conflict. The container name is already in use")
		return
	}
	var c container.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		f.t.Error(err)
	}
	f.created++
	n := &fakeContainer{id: fmt.Sprintf("%064x", f.created), name: name, labels: c.Labels, state: container.StateCreated}
	f.containers[n.id] = n
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]any{"Id": n.id})
}

func (f *fakeEngine) serveContainer(w http.ResponseWriter, r *http.Request, c *fakeContainer, rest []string) {
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container")
		return
	}
	switch verb := strings.Join(rest, "/"); verb {
	case "": // DELETE
		delete(f.containers, c.id)
		f.tell(c, events.ActionDestroy)
	case "start":
		c.state = container.StateRunning
		f.tell(c, events.ActionStart)
		if f.stillborn {
			f.dieLocked(c, 1)
		}
	case "stop":
		if c.state == container.StateRunning {
			f.dieLocked(c, 0)
		}
	case "logs":
	case "stats":
		// Half a core, on a clock that ticks with each call.
		read := time.Unix(int64(len(f.calls)), 0).Format(time.RFC3339Nano)
		fmt.Fprintf(w, `{"read":%q,"cpu_stats":{"cpu_usage":{"total_usage":%d}},"memory_stats":{"usage":5000,"stats":{"inactive_file":1000}}}`,
			read, len(f.calls)*5e8)
		return
	case "json":
		json.NewEncoder(w).Encode(map[string]any{
			"Id": c.id, "Config": map[string]any{"Labels": c.labels},
			"State": map[string]any{"Status": c.state, "Running": c.state == container.StateRunning, "ExitCode": c.exit,
				"OOMKilled": c.exit == 137, "StartedAt": "2026-01-01T00:00:00.5Z"},
			"NetworkSettings": map[string]any{"Ports": map[string]any{"8080/tcp": []map[string]string{{"HostIp": "127.0.0.1", "HostPort": "4000" + c.id[63:]}}}},
		})
		return
	default:
		f.t.Errorf("the fake knows no %s %s", r.Method, r.URL.Path)
	}
	w.WriteHeader(http.StatusNoContent)
}
