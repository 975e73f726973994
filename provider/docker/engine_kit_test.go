package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gatewayd/internal/testkit"
	"gatewayd/scaler"
)

// realEngine is a Docker Engine that is really there.
type realEngine struct {
	t   *testing.T
	cli *client.Client
	// image prints and listens as testdata/instance says.
	image string
}

// needEngine returns the Engine at DOCKER_HOST. Without one the test is skipped.
func needEngine(t *testing.T) *realEngine {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" {
		t.Skip("there is no Docker Engine here: DOCKER_HOST is not set (internal/testkit/dockerd.sh starts one)")
	}
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Ping(t.Context(), client.PingOptions{}); err != nil {
		t.Fatalf("the Docker Engine at DOCKER_HOST=%s does not answer: %s", os.Getenv("DOCKER_HOST"), err)
	}
	e := &realEngine{t: t, cli: c, image: "gatewayd-test-instance:v1"}
	e.importImage()
	t.Cleanup(func() { e.removeAll(ownerOf(t)) })
	return e
}

// buildOnce holds the archive of the image, which is the same for all tests.
var buildOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "instance")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "instance")
	build := exec.Command("go", "build", "-o", program, "./testdata/instance")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return out, err
	}
	b, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	w.WriteHeader(&tar.Header{Name: "instance", Mode: 0o755, Size: int64(len(b)), Typeflag: tar.TypeReg})
	w.Write(b)
	return archive.Bytes(), w.Close()
})

// importImage makes an image out of nothing but the program, unless there is one.
func (e *realEngine) importImage() {
	e.t.Helper()
	archive, err := buildOnce()
	if err != nil {
		e.t.Fatalf("%s: %s", err, archive)
	}
	if _, err := e.cli.ImageInspect(e.t.Context(), e.image); err == nil && imported {
		return
	}
	imported = true
	r, err := e.cli.ImageImport(e.t.Context(), client.ImageImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, e.image,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/instance"]`}})
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Close()
	io.Copy(io.Discard, r)
}

// imported tells that this run of the tests made the image: one of an earlier run may hold an older program. Tests do not run side by side.
var imported bool

// options are those of a provider with containers that behave as mode says.
func (e *realEngine) options(mode string) Options {
	return Options{
		Image:       "gatewayd-test-instance:{{.Version}}",
		Env:         map[string]string{"MODE": mode, "ADDRESS": "{{.Address}}", "NAME": "{{.Service}} {{.Version}} {{.Instance}}"},
		Pull:        PullNever,
		StopTimeout: 20 * time.Second,
		OnExit:      Stop,
	}
}

// containers returns those of owner, running or not.
func (e *realEngine) containers(owner string) []container.Summary {
	e.t.Helper()
	r, err := e.cli.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", labelOwner+"="+owner)})
	if err != nil {
		e.t.Fatal(err)
	}
	return r.Items
}

func (e *realEngine) removeAll(owner string) {
	for _, c := range e.containers(owner) {
		if _, err := e.cli.ContainerRemove(context.Background(), c.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			e.t.Error(err)
		}
	}
}

// foreign starts a container with labels of which the provider must keep its hands off.
func (e *realEngine) foreign(labels map[string]string) string {
	e.t.Helper()
	ctx := context.Background()
	c, err := e.cli.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: e.image, Env: []string{"ADDRESS=127.0.0.1:1"}, Labels: labels}})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { e.cli.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true}) })
	if _, err := e.cli.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); err != nil {
		e.t.Fatal(err)
	}
	return c.ID
}

func (e *realEngine) inspect(id string) container.InspectResponse {
	e.t.Helper()
	r, err := e.cli.ContainerInspect(context.Background(), id, client.ContainerInspectOptions{})
	if err != nil {
		e.t.Fatal(err)
	}
	return r.Container
}

func (e *realEngine) kill(id string) {
	e.t.Helper()
	if _, err := e.cli.ContainerKill(context.Background(), id, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		e.t.Fatal(err)
	}
}

// answers asks an instance for its name. That a container runs does not mean that its program listens yet.
func answers(t *testing.T, in scaler.Instance, want string) {
	t.Helper()
	testkit.AwaitThat(t, in.ID+" answers at "+in.Address, func() bool {
		c, err := net.DialTimeout("tcp", in.Address, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		if len(b) == 0 {
			return false // the Engine's own proxy took the connection before the program listened
		}
		if got := strings.TrimSpace(string(b)); got != want {
			t.Fatalf("%s says that it is %q; want %q", in.Address, got, want)
		}
		return true
	})
}
